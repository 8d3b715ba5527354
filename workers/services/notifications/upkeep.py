"""The log of deliveries does not grow for ever, and old secrets are forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta

from cmlmanager import runtime
from workers.models import Delivery, NotificationTarget
from workers.notification_choices import DeliveryState

BATCH = 2_000  # rows a statement, so that other writers of SQLite get their turn


def prune(*, now: datetime) -> int:
    """Delete ended deliveries older than NOTIFICATION_DAYS, and secrets whose overlap is over; returns how many deliveries went."""
    NotificationTarget.objects.filter(previous_secret_until__lte=now).update(
        previous_secret_encrypted="", previous_secret_until=None
    )
    before = now - timedelta(days=runtime.value("NOTIFICATION_DAYS"))
    old = Delivery.objects.filter(created_at__lt=before).exclude(state=DeliveryState.PENDING).order_by("created_at")
    deleted = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        deleted += Delivery.objects.filter(pk__in=ids).delete()[0]
    return deleted
