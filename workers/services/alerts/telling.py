"""What happened to an alert is told here, and nowhere else: to open pages, and to whoever wants to be notified."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from workers import events
from workers.alert_choices import AlertChange
from workers.models import Alert


def tell(alert: Alert, change: AlertChange, *, now: datetime) -> None:
    """Tell of one change, inside the transaction that makes it."""
    tell_all([(alert, change)], now=now)


def tell_all(told: Iterable[tuple[Alert, AlertChange]], *, now: datetime) -> None:
    """The same for many: open pages hear of them at once, however many there are."""
    told = list(told)
    if not told:
        return
    workers = []
    for alert, change in told:
        _notify(alert, change, now=now)
        if alert.worker_id:
            workers.append(alert.worker_id)
    events.announce_alerts(worker_ids=workers)


def _notify(alert: Alert, change: AlertChange, *, now: datetime) -> None:
    """Nothing is sent yet: `notifications.post` belongs here."""
