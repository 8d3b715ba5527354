"""Where notices go, and the outbox: one row for every notice to every target."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from workers.models.constraints import known
from workers.notification_choices import DeliveryState, NoticeType, Severity, TargetKind, TargetState


def label_of(type_: str) -> str:
    """A type of notice in words; one that is not listed as it is."""
    return str(NoticeType(type_).label) if type_ in NoticeType.values else type_


class NotificationTargetQuerySet(models.QuerySet["NotificationTarget"]):
    """Targets."""

    def due(self, now: datetime) -> NotificationTargetQuerySet:
        """Enabled, in nobody's hands, not paused, and with something to send."""
        waiting = Delivery.objects.filter(target=OuterRef("pk"), state=DeliveryState.PENDING, due_at__lte=now)
        return self.free(now).filter(Q(paused_until__isnull=True) | Q(paused_until__lte=now)).filter(Exists(waiting))

    def free(self, now: datetime) -> NotificationTargetQuerySet:
        """Enabled, and held by no sender that lives."""
        return self.filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now), enabled=True)


class NotificationTarget(models.Model):
    """One place that is told: mailboxes, a program, a channel.

    `address_encrypted` holds the web address or bot token, `secret_encrypted` the webhook's signing secret, both vault ciphertext;
    `address_hint` is what of the address may be shown, its host. `recipients` are e-mail addresses, or the channel of a Slack bot.
    Filters: `minimum` severity; `types` (none: all), `regions` (none: all), `tag` ("key" or "key=value") and `tell_closed`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=8, choices=TargetKind)
    enabled = models.BooleanField(default=True)
    off_because = models.CharField(max_length=500, blank=True, default="")  # when the portal switched it off
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150, blank=True, default="")  # a name, which outlives the person

    recipients = models.JSONField(default=list, blank=True)
    address_encrypted = models.TextField(blank=True, default="", editable=False)
    address_hint = models.CharField(max_length=255, blank=True, default="")
    secret_encrypted = models.TextField(blank=True, default="", editable=False)
    secret_shown_at = models.DateTimeField(null=True, blank=True)  # NULL: not yet, and then it may be, once
    # After a rotation both sign for a day, so that the receiver can change over.
    previous_secret_encrypted = models.TextField(blank=True, default="", editable=False)
    previous_secret_until = models.DateTimeField(null=True, blank=True)

    minimum = models.CharField(max_length=8, choices=Severity, default=Severity.WARNING)
    types = models.JSONField(default=list, blank=True)
    regions = models.JSONField(default=list, blank=True)
    tag = models.CharField(max_length=385, blank=True, default="")
    tell_closed = models.BooleanField(default=True)

    # One sender at a time holds a target, so that its notices leave in order and none leaves twice at once.
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)  # after a failure, or between digests
    failures = models.PositiveIntegerField(default=0)  # in a row
    failing_since = models.DateTimeField(null=True, blank=True)  # NULL while it works
    failing_reason = models.CharField(max_length=500, blank=True, default="")
    failing_told = models.BooleanField(default=False)  # whether the audit has its line about this failure
    succeeded_at = models.DateTimeField(null=True, blank=True)
    # The minute in which messages to people are counted, from its beginning.
    burst_from = models.DateTimeField(null=True, blank=True)
    burst_sent = models.PositiveIntegerField(default=0)

    objects = NotificationTargetQuerySet.as_manager()

    class Meta:
        verbose_name = "notification target"
        constraints = [
            known("kind", TargetKind),
            known("minimum", Severity),
            models.CheckConstraint(
                condition=Q(failing_since__isnull=True, failing_reason="", failing_told=False)
                | Q(failing_since__isnull=False) & ~Q(failing_reason=""),
                name="target_failing_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("notification-target", args=[self.id])

    @property
    def way(self) -> TargetKind:
        return TargetKind(self.kind)

    @property
    def state(self) -> TargetState:
        """How it does, for its badge."""
        if not self.enabled:
            return TargetState.OFF
        if self.failing_since:
            return TargetState.FAILING
        return TargetState.WELL if self.succeeded_at else TargetState.UNPROVEN

    @property
    def type_labels(self) -> list[str]:
        """The events that it is narrowed to, in words."""
        return [label_of(one) for one in self.types]

    def takes(self, *, type_: str, severity: str, region: str, tags: dict[str, Any]) -> bool:
        """Whether the filters let a notice through. `region` is "" and `tags` empty for a notice of no worker."""
        if severity not in Severity(self.minimum).at_least() or (self.types and type_ not in self.types):
            return False
        if type_.endswith(".closed") and not self.tell_closed:
            return False
        if self.regions and region not in self.regions:
            return False
        key, equals, value = self.tag.partition("=")
        return not key or (key in tags and (not equals or tags[key] == value))


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Deliveries."""

    def waiting(self, target: NotificationTarget, now: datetime) -> DeliveryQuerySet:
        """What is due for `target`, oldest first."""
        return self.filter(target=target, state=DeliveryState.PENDING, due_at__lte=now).order_by("id")


class Delivery(models.Model):
    """One notice to one target. `event_id` stays the same over all tries, so that receivers can drop repeats.

    `payload`: type, severity, title, sentence, worker_id, worker_name, path, data. `took_ms`, `status` (HTTP or SMTP), `sentence` and
    `answer` (the beginning of what the other side said) are of the last try. `digest` is the event id of the message that it went in.
    """

    event_id = models.UUIDField(default=uuid.uuid4, editable=False)
    target = models.ForeignKey(NotificationTarget, on_delete=models.CASCADE, related_name="deliveries")
    type = models.CharField(max_length=64)
    severity = models.CharField(max_length=8, choices=Severity)
    title = models.CharField(max_length=200)
    payload = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=DeliveryState, default=DeliveryState.PENDING)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    sentence = models.CharField(max_length=500, blank=True, default="")
    answer = models.CharField(max_length=500, blank=True, default="")
    digest = models.UUIDField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["target", "event_id"], name="delivery_once_a_target"),
            known("severity", Severity),
            known("state", DeliveryState),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False) | ~Q(state="sent") & Q(sent_at__isnull=True),
                name="delivery_sent_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["target", "state", "due_at"], name="delivery_due"),  # what a sender looks for
            models.Index(fields=["target", "-id"], name="delivery_newest"),  # the log of a target
            models.Index(fields=["created_at"], name="delivery_age"),  # the retention job
            # What waits is little among all that was sent: the sender's look for what is too old, and the list's counts.
            models.Index(fields=["target", "expires_at"], condition=Q(state="pending"), name="delivery_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.title} to {self.target_id}"

    @property
    def look(self) -> DeliveryState:
        return DeliveryState(self.state)

    @property
    def grade(self) -> Severity:
        return Severity(self.severity)

    @property
    def type_label(self) -> str:
        return label_of(self.type)

    @property
    def next_try(self) -> datetime | None:
        """When it is tried again; None when it is not."""
        if self.state != DeliveryState.PENDING:
            return None
        pause = self.target.paused_until
        return max(self.due_at, pause) if pause else self.due_at

    @property
    def took(self) -> str:
        """How long the last try took: "84 ms", "3.2 s", "" when there was none."""
        if self.took_ms is None:
            return ""
        return f"{self.took_ms} ms" if self.took_ms < 1000 else f"{timedelta(milliseconds=self.took_ms).total_seconds():.1f} s"
