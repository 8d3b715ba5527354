"""What happened to an alert is told here, and nowhere else: to open pages, and to whoever wants to be notified."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from workers import events
from workers.alert_choices import AlertChange
from workers.models import Alert
from workers.notification_choices import NoticeType
from workers.services import notifications
from workers.services.notifications import Notice


def tell(alert: Alert, change: AlertChange, *, now: datetime) -> None:
    """Tell of one change, inside the transaction that makes it."""
    tell_all([(alert, change)], now=now)


def tell_all(told: Iterable[tuple[Alert, AlertChange]], *, now: datetime) -> None:
    """The same for many: open pages hear of them at once, however many there are."""
    told = list(told)
    if not told:
        return
    notifications.post_all([_notice(alert, change, now=now) for alert, change in told], now=now)
    events.announce_alerts(worker_ids=[alert.worker_id for alert, _ in told if alert.worker_id])


_TYPES = {
    AlertChange.OPENED: NoticeType.ALERT_OPENED,
    AlertChange.WORSENED: NoticeType.ALERT_CHANGED,
    AlertChange.EASED: NoticeType.ALERT_CHANGED,
    AlertChange.CLOSED: NoticeType.ALERT_CLOSED,
    AlertChange.ACKNOWLEDGED: NoticeType.ALERT_ACKNOWLEDGED,
    AlertChange.UNACKNOWLEDGED: NoticeType.ALERT_CHANGED,
}


def _notice(alert: Alert, change: AlertChange, *, now: datetime) -> Notice:
    """The change for the world outside. What closes is told with the severity that it had."""
    closed = change == AlertChange.CLOSED
    sentence = alert.closing if closed else alert.sentence
    if change == AlertChange.ACKNOWLEDGED and alert.note:
        sentence = f"{sentence} {alert.acknowledged_name}: {alert.note}"
    return Notice(
        type=_TYPES[change].value,
        severity=alert.severity,
        title=f"{alert.worker_name}: {alert.get_kind_display()}, {change.label[0].lower()}{change.label[1:]}",
        sentence=sentence,
        worker_id=alert.worker_id,
        worker_name=alert.worker_name,
        path=alert.get_absolute_url(),
        data={
            "alert_id": str(alert.pk),
            "change": change.value,
            "kind": alert.kind,
            "region": alert.region,
            "value": alert.value,
            "since": alert.since.isoformat(),
            "opened_at": alert.opened_at.isoformat(),
            "at": now.isoformat(),
        },
    )
