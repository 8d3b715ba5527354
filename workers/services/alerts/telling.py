"""What happened to an alert is told here, and nowhere else: to open pages, and to whoever wants to be notified."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from workers import events
from workers.alert_choices import AlertChange
from workers.models import Alert
from workers.services import notifications
from workers.services.notifications import Notice
from workers.services.record import SYSTEM, Actor


def tell(alert: Alert, change: AlertChange, *, now: datetime) -> None:
    """Tell of one change, inside the transaction that makes it."""
    tell_all([(alert, change)], now=now)


def tell_all(
    told: Iterable[tuple[Alert, AlertChange]],
    *,
    now: datetime,
    by: Actor = SYSTEM,
    were: Mapping[uuid.UUID, str] = MappingProxyType({}),
) -> None:
    """The same for many: open pages hear of them at once, however many there are. `were`: former severities, where they changed."""
    told = list(told)
    if not told:
        return
    notifications.post_all([_notice(alert, change, now=now) for alert, change in told], now=now)
    for alert, change in told:
        events.tell_alert(alert, change.value, by=by, at=now, old_severity=were.get(alert.pk))
    events.announce_alerts(worker_ids=[alert.worker_id for alert, _ in told if alert.worker_id])


def _notice(alert: Alert, change: AlertChange, *, now: datetime) -> Notice:
    """The change for the world outside. What eases or closes is told with the worst severity that it had: to all who heard of that."""
    closed = change == AlertChange.CLOSED
    sentence = alert.closing if closed else alert.sentence
    if change == AlertChange.ACKNOWLEDGED and alert.note:
        sentence = f"{sentence} {alert.acknowledged_name}: {alert.note}"
    return Notice(
        type=f"alert.{change.value}",
        severity=alert.worst if change in (AlertChange.EASED, AlertChange.CLOSED) else alert.severity,
        title=f"{alert.worker_name}: {alert.get_kind_display()}, {change.label[0].lower()}{change.label[1:]}",
        sentence=sentence,
        worker_id=alert.worker_id,
        worker_name=alert.worker_name,
        path=alert.get_absolute_url(),
        data={
            "alert_id": str(alert.pk),
            "change": change.value,
            "kind": alert.kind,
            "severity": alert.severity,
            "region": alert.region,
            "value": alert.value,
            "since": alert.since.isoformat(),
            "opened_at": alert.opened_at.isoformat(),
            "at": now.isoformat(),
        },
    )
