"""Notification targets: whether somebody would hear of an alert."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Min

from cmlmanager.system import health
from workers.models import Delivery, NotificationTarget
from workers.notification_choices import DeliveryState
from workers.services.notifications import mail

WAITING = timedelta(minutes=10)


@health.register(name="notifications", label="Notifications", group=health.Group.OUTSIDE, every=30)
def notifications(context: health.Context) -> health.Said:
    """The rows of the targets, and the oldest notice that waits."""
    targets = list(NotificationTarget.objects.filter(enabled=True).order_by("name"))
    facts = {"E-mail": "on" if mail.is_on() else "off: EMAIL_HOST and DEFAULT_FROM_EMAIL are not both set"}
    if not targets:
        return health.off("Nobody is told of alerts: there is no notification target.", facts=facts)
    failing = [target for target in targets if target.failing_since]
    facts |= {target.name: f"failing: {target.failing_reason}" for target in failing}
    waiting = Delivery.objects.filter(state=DeliveryState.PENDING, target__enabled=True)
    oldest = waiting.aggregate(oldest=Min("due_at"))["oldest"]
    if failing:
        names = ", ".join(target.name for target in failing[:4])
        since = min(target.failing_since for target in failing if target.failing_since)
        say = health.failing if len(failing) == len(targets) else health.warning
        return say(
            f"{len(failing)} of {len(targets)} targets {'takes' if len(failing) == 1 else 'take'} no notices: {names}.",
            "Open Notifications: the target says why. What it did not take is tried again for a day.",
            since=since,
            facts=facts,
        )
    if oldest is not None and context.now - oldest > WAITING:
        return health.warning(
            f"A notice has been waiting since {oldest:%H:%M} UTC.", "See whether beat and a Celery worker run.", facts=facts
        )
    return health.ok(f"{len(targets)} {'target takes' if len(targets) == 1 else 'targets take'} notices.", facts=facts)
