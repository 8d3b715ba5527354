"""From which lines on something is worth an alert, and what nobody wants to hear of for a while."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from workers.alert_choices import LONGEST_HOLD, SCALES, AlertKind, Lines
from workers.models.constraints import known
from workers.models.worker import Worker

RISING = [kind.value for kind, scale in SCALES.items() if not scale.falls]
FALLING = [kind.value for kind, scale in SCALES.items() if scale.falls]
PERCENT = [kind.value for kind, scale in SCALES.items() if scale.unit == "%"]
HOLDING = [kind.value for kind, scale in SCALES.items() if scale.holds]


class AlertThreshold(models.Model):
    """The lines of one kind that differ from what is built in (`worker` NULL: for the fleet) or from the fleet's (one worker's own).

    Both lines are stored together, so that no change of a default can turn an own line and the other one around.
    """

    worker = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.CASCADE, related_name="thresholds")
    kind = models.CharField(max_length=16, choices=AlertKind)
    warning = models.PositiveSmallIntegerField()  # percent, minutes or days: alert_choices.SCALES
    critical = models.PositiveSmallIntegerField()
    minutes = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "kind"], name="threshold_once_a_worker"),
            models.UniqueConstraint(fields=["kind"], condition=Q(worker__isnull=True), name="threshold_once_a_fleet"),
            models.CheckConstraint(
                condition=Q(kind__in=RISING, warning__lt=F("critical")) | Q(kind__in=FALLING, critical__lt=F("warning")),
                name="threshold_lines_in_order",
            ),
            models.CheckConstraint(condition=Q(warning__gte=1, critical__gte=1), name="threshold_lines_positive"),
            models.CheckConstraint(
                condition=~Q(kind__in=PERCENT) | Q(warning__lte=100, critical__lte=100), name="threshold_is_percent"
            ),
            models.CheckConstraint(
                condition=Q(minutes=0) | Q(kind__in=HOLDING, minutes__lte=LONGEST_HOLD), name="threshold_minutes_bounded"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.warning}/{self.critical}"

    @property
    def lines(self) -> Lines:
        return Lines(self.warning, self.critical, self.minutes)


class AlertMuteQuerySet(models.QuerySet["AlertMute"]):
    """Mutes."""

    def in_force(self, now: datetime) -> AlertMuteQuerySet:
        """Those whose time has not run out."""
        return self.filter(Q(until__isnull=True) | Q(until__gt=now))


class AlertMute(models.Model):
    """A kind that opens no alerts for a while: on one worker, or (`worker` NULL) on the whole fleet. Lifting it deletes the row."""

    worker = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.CASCADE, related_name="mutes")
    kind = models.CharField(max_length=16, choices=AlertKind)
    until = models.DateTimeField(null=True, blank=True)  # NULL: until somebody lifts it
    reason = models.CharField(max_length=500)
    muted_at = models.DateTimeField()
    muted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    muted_name = models.CharField(max_length=150)  # outlives the person

    objects = AlertMuteQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "kind"], name="mute_once_a_worker"),
            models.UniqueConstraint(fields=["kind"], condition=Q(worker__isnull=True), name="mute_once_a_fleet"),
            known("kind", AlertKind),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(muted_name=""), name="mute_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} muted by {self.muted_name}"
