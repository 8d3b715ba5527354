"""Open, change and close alerts. Looking costs the same few reads for any number of workers; only differences are written.

Two evaluations may run at once: the one that finds an alert already opened, changed or closed leaves it alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from cmlmanager import runtime
from cmlmanager.runtime import turns
from workers import events
from workers.alert_choices import AlertChange, AlertKind, AlertSeverity, CloseReason
from workers.choices import EventKind
from workers.models import Alert, Event, Worker
from workers.services.alerts import story
from workers.services.alerts.conditions import verdict
from workers.services.alerts.facts import Facts, facts_of, workers_to_judge
from workers.services.alerts.telling import tell_all
from workers.services.alerts.verdicts import Clear, Keep, Raise, Verdict

CHUNK = 200  # workers a look and a transaction: short enough not to keep other writers of SQLite waiting
NOTABLE = 5  # percentage points after which the figure in a sentence is written anew
_ALTERED = (
    "severity",
    "worst",
    "sentence",
    "value",
    "changed_at",
    "acknowledged_at",
    "acknowledged_by",
    "acknowledged_name",
    "note",
)
_CLOSED = ("closed_at", "close_reason", "closing")


@dataclass
class Plan:
    """What is to be written: new alerts, altered and closed ones, the lines of the audit, and what is to be told."""

    opened: list[Alert] = field(default_factory=list)
    altered: list[Alert] = field(default_factory=list)
    closed: list[Alert] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    told: list[tuple[Alert, AlertChange]] = field(default_factory=list)
    were: dict[uuid.UUID, str] = field(default_factory=dict)  # former severities


def tick(*, now: datetime) -> int:
    """Judge the whole fleet when its time has come; returns how many workers had something to write."""
    if not turns.take("alerts", interval=runtime.value("ALERT_INTERVAL"), now=now):
        return 0
    return evaluate(now=now)


def evaluate(*, now: datetime, worker_ids: Iterable[uuid.UUID] | None = None) -> int:
    """Judge these workers, or the whole fleet; returns how many workers had something to write.

    Nothing is locked while looking. What differs is judged again, on rows that nobody else can change meanwhile, and written.
    """
    ids = None if worker_ids is None else list(dict.fromkeys(worker_ids))
    differing: list[uuid.UUID] = []
    for some in [None] if ids is None else _chunks(ids):
        workers = workers_to_judge(some)
        facts = facts_of(workers, now=now, all_workers=some is None)
        differing += [worker.pk for worker in workers if any(True for _ in _differences(worker, facts))]
    for some in _chunks(differing):
        _settle(some, now=now)
    if ids is None:
        _close_orphans(now=now)
    return len(differing)


def close_all(*, worker: Worker, reason: CloseReason, sentence: str, now: datetime) -> None:
    """Close whatever is open on this worker, before its row is deleted: alert and audit keep its name."""
    with transaction.atomic():
        plan = Plan()
        for alert in Alert.objects.of_worker(worker).select_for_update():
            _close(alert, Clear(sentence=sentence, reason=reason), plan, now=now)
        _write(plan, now=now)


def _chunks(ids: list[uuid.UUID]) -> Iterator[list[uuid.UUID]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _differences(worker: Worker, facts: Facts) -> Iterator[tuple[AlertKind, Alert | None, Verdict]]:
    """The kinds of which the alert is not as it should be."""
    for kind in AlertKind:
        alert = facts.alerts.get((worker.pk, kind))
        found = verdict(kind, worker, facts)
        if isinstance(found, Keep) or (isinstance(found, Clear) and alert is None):
            continue
        if isinstance(found, Clear) or alert is None or _differs(alert, found):
            yield kind, alert, found


def _differs(alert: Alert, found: Raise) -> bool:
    if alert.severity != found.severity:
        return True
    if found.value is None or alert.value is None:
        return alert.sentence != found.sentence[:500]
    return abs(alert.value - found.value) >= NOTABLE


def _settle(ids: Sequence[uuid.UUID], *, now: datetime) -> None:
    """Judge again, with the open alerts held, and write what differs."""
    with transaction.atomic():
        # Held first, read afterwards: what is known then is no older than what the alert was last judged by.
        list(Alert.objects.open().filter(worker__in=ids).order_by("id").select_for_update().values_list("pk"))
        workers = workers_to_judge(ids)
        facts = facts_of(workers, now=now, all_workers=False)
        plan = Plan()
        for worker in workers:
            for kind, alert, found in _differences(worker, facts):
                if isinstance(found, Clear) and alert:
                    _close(alert, found, plan, now=now)
                elif isinstance(found, Raise):
                    _raise(worker, kind, alert, found, plan, now=now)
        _write(plan, now=now)


def _raise(worker: Worker, kind: AlertKind, alert: Alert | None, found: Raise, plan: Plan, *, now: datetime) -> None:
    if alert is None:
        alert = Alert(
            worker=worker,
            worker_name=str(worker)[:255],
            region=worker.region,
            kind=kind,
            severity=found.severity,
            worst=found.severity,
            sentence=found.sentence[:500],
            value=found.value,
            since=min(found.since, now),
            opened_at=now,
            changed_at=now,
        )
        plan.opened.append(alert)
        return
    before = alert.level
    alert.severity, alert.sentence, alert.value = found.severity, found.sentence[:500], found.value
    plan.altered.append(alert)
    if before == found.severity:
        return  # another figure or another reason is no news
    alert.changed_at = now
    worse = found.severity.is_worse_than(before)
    if found.severity.is_worse_than(AlertSeverity(alert.worst)):
        alert.worst = found.severity
    lifted = worse and alert.is_acknowledged
    if lifted:
        alert.acknowledged_at, alert.acknowledged_by, alert.acknowledged_name, alert.note = None, None, "", ""
    detail = f"{alert.sentence}{' The acknowledgement was of something milder and is lifted.' if lifted else ''}"
    plan.events.append(
        story.event_of(alert, EventKind.ALERT_CHANGED, before=before.label, after=found.severity.label, detail=detail, now=now)
    )
    plan.were[alert.pk] = before.value
    plan.told.append((alert, AlertChange.WORSENED if worse else AlertChange.EASED))


def _close(alert: Alert, found: Clear, plan: Plan, *, now: datetime) -> None:
    alert.closed_at, alert.close_reason, alert.closing = now, found.reason, found.sentence[:500]
    plan.closed.append(alert)
    plan.events.append(
        story.event_of(
            alert, EventKind.ALERT_CLOSED, before=alert.level.label, after=found.reason.label, detail=alert.closing, now=now
        )
    )
    plan.told.append((alert, AlertChange.CLOSED))


def _write(plan: Plan, *, now: datetime) -> None:
    if not (plan.opened or plan.altered or plan.closed):
        return
    # Somebody else may have opened one since: the constraint drops ours, and then it is theirs to tell.
    Alert.objects.bulk_create(plan.opened, ignore_conflicts=True)
    ours = set(Alert.objects.filter(pk__in=[alert.pk for alert in plan.opened]).values_list("pk", flat=True))
    for alert in plan.opened:
        if alert.pk in ours:
            plan.events.append(
                story.event_of(alert, EventKind.ALERT_OPENED, after=alert.level.label, detail=alert.sentence, now=now)
            )
            plan.told.append((alert, AlertChange.OPENED))
    Alert.objects.bulk_update(plan.altered, _ALTERED)
    Alert.objects.bulk_update(plan.closed, _CLOSED)
    Event.objects.bulk_create(plan.events)
    tell_all(plan.told, now=now, were=plan.were)
    told = {alert.pk for alert, _ in plan.told}
    # Another figure in a sentence is nothing to tell of, but open pages show it.
    events.announce_workers(alert.worker_id for alert in plan.altered if alert.worker_id and alert.pk not in told)


def _close_orphans(*, now: datetime) -> None:
    """Alerts whose worker was deleted by other means than the portal's."""
    if not Alert.objects.open().filter(worker__isnull=True).exists():
        return
    with transaction.atomic():
        plan = Plan()
        gone = Clear(sentence="The worker’s record was deleted.", reason=CloseReason.DELETED)
        for alert in Alert.objects.open().filter(worker__isnull=True).select_for_update():
            _close(alert, gone, plan, now=now)
        _write(plan, now=now)
