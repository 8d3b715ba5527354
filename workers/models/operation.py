"""Operations: one thing that somebody asked for, with its steps and its outcome."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from workers.choices import ActorKind, OperationKind, OperationState, StepState
from workers.models.constraints import known
from workers.models.worker import Worker


class OperationQuerySet(models.QuerySet["Operation"]):
    """Operations."""

    def in_flight(self) -> OperationQuerySet:
        """Asked for and not ended."""
        return self.filter(state__in=OperationState.in_flight())

    def runnable(self, now: datetime) -> OperationQuerySet:
        """In flight, due, and in nobody's hands: never taken, waiting, or taken by a process that died."""
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
        return self.in_flight().filter(free, due_at__lte=now)

    def to_queue(self, now: datetime) -> OperationQuerySet:
        """Runnable, and not handed to Celery a moment ago: its message may still wait there."""
        lost = now - timedelta(seconds=settings.OPERATION_QUEUED_FOR)
        return self.runnable(now).filter(Q(queued_at__isnull=True) | Q(queued_at__lte=lost))

    def by_worker(self, worker_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Operation]:
        """Worker id → what is in flight of its machine's life, or else of anything of the worker's own. One query."""
        found = self.in_flight().select_related("actor").filter(worker__in=list(worker_ids), subject_id__isnull=True)
        found = found.order_by("slot", "-asked_at")
        # "life" sorts before "monitoring" and "tags": what is said in the row is what matters most.
        return {operation.worker_id: operation for operation in reversed(found) if operation.worker_id}

    def for_subject(self, subject_id: uuid.UUID) -> OperationQuerySet:
        """What was asked of one thing on a worker, newest first."""
        return self.filter(subject_id=subject_id).newest()

    def newest(self) -> OperationQuerySet:
        """Newest first, with what a list shows."""
        return self.select_related("worker", "actor").order_by("-asked_at", "-id")


class Operation(models.Model):
    """One thing that a person, a schedule, idle detection, the API or the system asked for.

    `steps` are dictionaries in order: name, label, state (StepState), detail, started_at and finished_at (ISO times or "").
    `sentence` is for the operator, `detail` for whoever mends it. `parameters` hold no secrets.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=OperationKind)
    worker = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.SET_NULL, related_name="operations")
    worker_name = models.CharField(max_length=255, blank=True, default="")  # outlives the row
    # What on the worker it is about, such as a lab; NULL: the worker itself. No foreign key: an app above this one has the rows.
    subject_id = models.UUIDField(null=True, blank=True)
    subject_name = models.CharField(max_length=255, blank=True, default="")
    batch = models.UUIDField(null=True, blank=True)  # what was asked for many workers at once
    parameters = models.JSONField(default=dict, blank=True)

    actor_kind = models.CharField(max_length=8, choices=ActorKind)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True, default="")  # outlives the person
    reason = models.CharField(max_length=500, blank=True, default="")
    from_address = models.GenericIPAddressField(null=True, blank=True)

    state = models.CharField(max_length=10, choices=OperationState, default=OperationState.PENDING)
    # Two operations of one slot never run at once on one worker; the kinds of a machine's life share one, each lab has its own.
    slot = models.CharField(max_length=48)
    steps = models.JSONField(default=list, blank=True)
    result = models.JSONField(default=dict, blank=True)
    sentence = models.CharField(max_length=500, blank=True, default="")
    detail = models.TextField(blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)  # of the step that is being tried, since it last succeeded

    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField()
    queued_at = models.DateTimeField(null=True, blank=True)  # when it was last handed to Celery; NULL once somebody took it
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["worker", "slot"],
                condition=Q(state__in=["pending", "running"], worker__isnull=False),
                name="operation_one_in_flight",
            ),
            known("kind", OperationKind),
            known("state", OperationState),
            known("actor_kind", ActorKind),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "running"], finished_at__isnull=True)
                | Q(state__in=["succeeded", "refused", "failed"], finished_at__isnull=False),
                name="operation_finished_when_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"], name="operation_due"),  # the sweep
            models.Index(fields=["-asked_at", "-id"], name="operation_newest"),  # the operations page
            models.Index(fields=["worker", "-asked_at"], name="operation_of_worker"),  # a worker's page
            models.Index(fields=["subject_id", "-asked_at"], name="operation_of_subject"),  # a lab's page
            models.Index(fields=["batch"], name="operation_of_batch"),  # a bulk action's page
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.subject_name or self.worker_name}".strip()

    def get_absolute_url(self) -> str:
        return reverse("operation", args=[self.id])

    @property
    def look(self) -> OperationState:
        return OperationState(self.state)

    @property
    def is_in_flight(self) -> bool:
        return self.state in OperationState.in_flight()

    @property
    def asked_by(self) -> str:
        """Who asked, in a word."""
        return self.actor_name or ActorKind(self.actor_kind).label.lower()

    @property
    def doing(self) -> str:
        """What is going on, for the row: "Stopping"."""
        return OperationKind(self.kind).doing

    def next_step(self) -> dict[str, Any] | None:
        """The first step that is neither done nor skipped."""
        return next((step for step in self.steps if step["state"] not in {StepState.DONE, StepState.SKIPPED}), None)
