"""A person says that they know of an alert: race-safe, for one or for many, and to be taken back."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from workers.alert_choices import AlertChange, AlertSeverity
from workers.choices import EventKind
from workers.models import Alert, Event
from workers.services.alerts import story
from workers.services.alerts.telling import tell_all
from workers.services.operations.asking import Asker

MOST = 500  # alerts at once


@dataclass(frozen=True)
class Seen:
    """An alert as the person saw it. Without a severity, whatever it is now."""

    alert_id: uuid.UUID
    severity: AlertSeverity | None = None

    @classmethod
    def parse(cls, text: str) -> Seen | None:
        """From "<id>:<severity>" or "<id>" (see Alert.seen); None for anything else."""
        alert_id, _, severity = text.partition(":")
        try:
            return cls(uuid.UUID(alert_id), AlertSeverity(severity) if severity else None)
        except ValueError:
            return None


@dataclass
class Outcome:
    """What came of it: the alerts that were changed, and a sentence for each that was not."""

    changed: list[Alert] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def acknowledge(*, seen: Iterable[Seen], note: str, by: Asker, now: datetime) -> Outcome:
    """Acknowledge these alerts. Whoever was first stays; what is closed, gone, or has become worse than was seen is left alone.

    At most MOST, the rest is ignored. Acknowledging needs a person: `by` has a user or a label.
    """
    wanted = {one.alert_id: one.severity for one in seen}
    outcome = Outcome()
    with transaction.atomic():
        for alert in _held(wanted):
            sentence = _why_not(alert, wanted[alert.pk])
            if sentence:
                outcome.refused.append(sentence)
                continue
            alert.acknowledged_at, alert.acknowledged_by = now, by.actor.user
            alert.acknowledged_name, alert.note = by.actor.name[:150], note.strip()[:500]
            outcome.changed.append(alert)
        _write(outcome.changed, AlertChange.ACKNOWLEDGED, by=by, now=now)
    outcome.refused += _missing(wanted, outcome)
    return outcome


def unacknowledge(*, alert_ids: Iterable[uuid.UUID], by: Asker, now: datetime) -> Outcome:
    """Take acknowledgements back, whoever gave them. What is closed or not acknowledged is left alone."""
    outcome = Outcome()
    ids = list(dict.fromkeys(alert_ids))
    with transaction.atomic():
        for alert in _held(ids):
            if not alert.is_open or not alert.is_acknowledged:
                outcome.refused.append(f"{alert} is {'not acknowledged' if alert.is_open else 'closed'}.")
                continue
            alert.acknowledged_at, alert.acknowledged_by, alert.acknowledged_name, alert.note = None, None, "", ""
            outcome.changed.append(alert)
        _write(outcome.changed, AlertChange.UNACKNOWLEDGED, by=by, now=now)
    outcome.refused += _missing(ids, outcome)
    return outcome


def _held(ids: Iterable[uuid.UUID]) -> list[Alert]:
    """The alerts, which nobody else can change until the transaction ends."""
    return list(Alert.objects.filter(pk__in=list(ids)[:MOST]).order_by("id").select_for_update())


def _why_not(alert: Alert, severity: AlertSeverity | None) -> str:
    if not alert.is_open:
        return f"{alert} has closed meanwhile."
    if alert.is_acknowledged:
        return f"{alert} is acknowledged already, by {alert.acknowledged_name}."
    if severity and alert.level.is_worse_than(severity):
        return f"{alert} has become {alert.level.label.lower()} meanwhile; look at it again."
    return ""


def _missing(ids: Iterable[uuid.UUID], outcome: Outcome) -> list[str]:
    return [] if outcome.changed or outcome.refused or not list(ids) else ["There is no such alert any more."]


def _write(alerts: list[Alert], change: AlertChange, *, by: Asker, now: datetime) -> None:
    if not alerts:
        return
    Alert.objects.bulk_update(alerts, ["acknowledged_at", "acknowledged_by", "acknowledged_name", "note"], batch_size=100)
    kind = EventKind.ALERT_ACKNOWLEDGED if change == AlertChange.ACKNOWLEDGED else EventKind.ALERT_UNACKNOWLEDGED
    Event.objects.bulk_create(
        [
            story.event_of(
                alert, kind, after=alert.level.label, detail=alert.note, actor=by.actor, from_address=by.from_address, now=now
            )
            for alert in alerts
        ]
    )
    tell_all([(alert, change) for alert in alerts], now=now, by=by.actor)
