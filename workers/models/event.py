"""The audit and the timelines."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, NoReturn

from django.conf import settings
from django.db import models

from workers import choices
from workers.models.constraints import known
from workers.models.worker import Worker


class EventQuerySet(models.QuerySet["Event"]):
    """Events are appended and read. Only the retention job deletes, by its own method."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Events are append-only.")

    def delete(self) -> NoReturn:
        raise TypeError("Events are append-only; the retention job uses expire().")

    def for_worker(self, worker: Worker) -> EventQuerySet:
        """The timeline of one worker, newest first."""
        return self.filter(worker=worker).select_related("actor").order_by("-at", "-id")

    def for_subject(self, subject_id: uuid.UUID) -> EventQuerySet:
        """The history of one thing on a worker, newest first."""
        return self.filter(subject_id=subject_id).select_related("actor", "operation").order_by("-at", "-id")

    def expire(self, before: datetime) -> int:
        """Delete what is older than `before`; returns how many. For the retention job alone."""
        return self.filter(at__lt=before)._raw_delete(self.db)


class Event(models.Model):
    """One line of the audit and of a worker's timeline: who or what, when, before and after. Never edited."""

    at = models.DateTimeField()
    kind = models.CharField(max_length=32, choices=choices.EventKind)
    worker = models.ForeignKey(Worker, null=True, on_delete=models.SET_NULL, related_name="events")
    worker_name = models.CharField(max_length=255, blank=True, default="")  # outlives the row
    # What on the worker it is about, such as a lab; NULL: the worker itself. No foreign key: an app above this one has the rows.
    subject_id = models.UUIDField(null=True, blank=True)
    subject_name = models.CharField(max_length=255, blank=True, default="")
    actor_kind = models.CharField(max_length=8, choices=choices.ActorKind)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True, default="")  # outlives the person
    before = models.CharField(max_length=500, blank=True, default="")
    after = models.CharField(max_length=500, blank=True, default="")
    detail = models.CharField(max_length=500, blank=True, default="")
    operation = models.ForeignKey("workers.Operation", null=True, blank=True, on_delete=models.SET_NULL, related_name="events")
    alert = models.ForeignKey("workers.Alert", null=True, blank=True, on_delete=models.SET_NULL, related_name="events")
    from_address = models.GenericIPAddressField(null=True, blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints = [known("actor_kind", choices.ActorKind)]
        indexes = [
            models.Index(fields=["worker", "-at", "-id"], name="event_of_worker"),  # the timeline of a worker's page
            models.Index(fields=["-at", "-id"], name="event_newest"),  # the audit page
            models.Index(fields=["subject_id", "-at", "-id"], name="event_of_subject"),  # the history of a lab
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind} {self.worker_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Events are append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Events are append-only.")
