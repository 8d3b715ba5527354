"""Alerts: what is or was wrong with a worker."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import models
from django.db.models import Count, Q
from django.urls import reverse

from workers.alert_choices import AlertKind, AlertSeverity, AlertStanding, CloseReason
from workers.models.constraints import known
from workers.models.worker import Worker


@dataclass(frozen=True)
class Mark:
    """Some open alerts in short: how many, and the worst severity (None without any)."""

    count: int
    severity: AlertSeverity | None
    is_acknowledged: bool = False  # all of them

    @property
    def tone(self) -> str:
        return "off" if self.severity is None or self.is_acknowledged else self.severity.look.tone

    @property
    def sentence(self) -> str:
        """ "2 open alerts, worst: critical"."""
        if self.severity is None:
            return "No open alerts"
        noun = "alert" if self.count == 1 else "alerts"
        worst = f", {'worst: ' if self.count > 1 else ''}{self.severity.label.lower()}"
        return f"{self.count} open {noun}{worst}{', acknowledged' if self.is_acknowledged else ''}"


class AlertQuerySet(models.QuerySet["Alert"]):
    """Alerts."""

    def open(self) -> AlertQuerySet:
        """Acknowledged or not."""
        return self.filter(closed_at__isnull=True)

    def standing(self, standing: AlertStanding | str) -> AlertQuerySet:
        """Those of one tab of the alerts page."""
        if standing == AlertStanding.CLOSED:
            return self.filter(closed_at__isnull=False)
        return self.open().filter(acknowledged_at__isnull=standing == AlertStanding.OPEN)

    def marks(self, worker_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Mark]:
        """Worker id → its open alerts in short; without those that have none. One query."""
        marks: dict[uuid.UUID, Mark] = {}
        found = self.open().filter(worker__in=list(worker_ids)).order_by("severity")
        for worker_id, severity, acknowledged_at in found.values_list("worker_id", "severity", "acknowledged_at"):
            assert worker_id is not None  # it was asked for by its id
            mark = marks.get(worker_id, Mark(0, AlertSeverity(severity), is_acknowledged=True))
            all_acknowledged = mark.is_acknowledged and acknowledged_at is not None
            marks[worker_id] = Mark(mark.count + 1, mark.severity, is_acknowledged=all_acknowledged)
        return marks

    def bell(self) -> Mark:
        """What nobody has acknowledged yet, over the whole fleet. One query."""
        rows = self.standing(AlertStanding.OPEN).values_list("severity").annotate(n=Count("pk")).order_by("severity")
        found = list(rows)
        return Mark(sum(count for _, count in found), AlertSeverity(found[0][0]) if found else None)

    def of_worker(self, worker: Worker) -> AlertQuerySet:
        """The open alerts of one worker, worst first."""
        return self.open().filter(worker=worker).order_by("severity", "opened_at", "id")


class Alert(models.Model):
    """Something that is wrong with a worker, from its opening to its close. Only services write it.

    `sentence` says what, `since` from when on (it may have begun before it was worth an alert); `value` is the figure that the sentence
    names, in the kind's unit, NULL without one. `closing` is the sentence that closed it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    worker = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    worker_name = models.CharField(max_length=255, blank=True, default="")  # outlives the row
    region = models.CharField(max_length=32, blank=True, default="")
    kind = models.CharField(max_length=16, choices=AlertKind)
    severity = models.CharField(max_length=8, choices=AlertSeverity)
    worst = models.CharField(max_length=8, choices=AlertSeverity)  # severity that it has had
    sentence = models.CharField(max_length=500)
    value = models.FloatField(null=True, blank=True)
    since = models.DateTimeField()
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField()  # opened, or of another severity

    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    acknowledged_name = models.CharField(max_length=150, blank=True, default="")  # outlives the person
    note = models.CharField(max_length=500, blank=True, default="")

    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.CharField(max_length=12, choices=CloseReason, blank=True, default="")
    closing = models.CharField(max_length=500, blank=True, default="")

    objects = AlertQuerySet.as_manager()

    class Meta:
        permissions = [("acknowledge_alert", "Can acknowledge")]
        constraints = [
            models.UniqueConstraint(fields=["worker", "kind"], condition=Q(closed_at__isnull=True), name="alert_one_open"),
            known("kind", AlertKind),
            known("severity", AlertSeverity),
            known("worst", AlertSeverity),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, close_reason="")
                | Q(closed_at__isnull=False, close_reason__in=CloseReason.values),
                name="alert_closed_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at__isnull=True, acknowledged_name="", note="")
                | Q(acknowledged_at__isnull=False) & ~Q(acknowledged_name=""),
                name="alert_acknowledged_has_name",
            ),
        ]
        indexes = [
            # the bell, and the first tab of the alerts page
            models.Index(fields=["severity", "-opened_at"], condition=Q(closed_at__isnull=True), name="alert_open"),
            models.Index(fields=["-opened_at", "-id"], name="alert_newest"),  # the alerts page
            models.Index(fields=["worker", "-opened_at"], name="alert_of_worker"),  # what a worker had before
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.worker_name}"

    def get_absolute_url(self) -> str:
        return reverse("alert", args=[self.id])

    @property
    def level(self) -> AlertSeverity:
        return AlertSeverity(self.severity)

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def is_acknowledged(self) -> bool:
        return self.acknowledged_at is not None

    @property
    def seen(self) -> str:
        """What a form says of the alert that its person saw: it must not have become worse when the form arrives."""
        return f"{self.id}:{self.severity}"
