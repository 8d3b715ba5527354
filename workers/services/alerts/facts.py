"""What the conditions are judged by, read for any number of workers in a fixed number of queries."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, Max, OuterRef, Q

from cmlmanager import runtime
from workers.alert_choices import AlertKind
from workers.alert_lines import Book, book
from workers.choices import EventKind, MachineState, ServiceState, UsageSource
from workers.models import Alert, Event, Sample, Worker, stale_after
from workers.services.alerts.usage import Reading, looks_back

FIGURES = ("cpu", "memory", "disk")
PERIOD = timedelta(minutes=5)  # CloudWatch's: a datapoint is dated by its beginning
READY_WORDS = (ServiceState.READY.label, ServiceState.DEGRADED.label)
# What the conditions ask of a worker; the expiries come with the licence pages.
_NEEDED = (
    *("name", "instance_id", "region", "created_at", "machine_state", "machine_state_since", "machine_state_reason"),
    *("system_check", "instance_check", "service_state", "service_reasons", "license_state"),
    *("aws_checked_at", "aws_succeeded_at", "aws_due_at", "cml_checked_at", "cml_succeeded_at", "cml_due_at"),
)
_EXPIRIES = ("license_expires_at", "authorization_expires_at")
MOST_NAMED = 500  # workers in one statement

Alerts = dict[tuple[uuid.UUID, str], Alert]  # by worker and kind
Readings = dict[tuple[uuid.UUID, str, str], list[Reading]]  # by worker, source and figure; oldest first


@dataclass(frozen=True)
class Facts:
    """Everything beside the workers' own rows. `alerts`: the open ones by worker and kind; `left_ready`: when CML was last ready;
    `last_reads`: when anybody of the fleet was last read, by source."""

    now: datetime
    book: Book
    alerts: Alerts
    samples: Readings
    left_ready: dict[uuid.UUID, datetime]
    last_reads: dict[str, datetime | None]

    def readings(self, worker: Worker, kind: AlertKind) -> tuple[list[Reading], datetime]:
        """The measurements since the machine runs, and from when on one is fresh. CML's; CloudWatch's CPU while CML's is old."""
        fresh = self.now - stale_after(runtime.value("CML_INTERVAL"))
        found = self._since_start(worker, UsageSource.CML, kind)
        if kind == AlertKind.CPU and (not found or found[-1].at < fresh):
            other = self._since_start(worker, UsageSource.CLOUDWATCH, kind)
            if other:
                return other, self.now - stale_after(runtime.value("METRICS_INTERVAL")) - PERIOD
        return found, fresh

    def _since_start(self, worker: Worker, source: str, kind: AlertKind) -> list[Reading]:
        readings = self.samples.get((worker.pk, source, kind), [])
        return [reading for reading in readings if reading.at >= worker.machine_state_since]

    def is_about_to_be_read(self, worker: Worker, source: str) -> bool:
        """Whether its next look will tell: it is the next to be read, as everything is after a start of the portal; or it is overdue and
        so is everybody else, because the portal itself was away."""
        due_at, interval = (
            (worker.aws_due_at, runtime.value("STATE_INTERVAL"))
            if source == "EC2"
            else (worker.cml_due_at, runtime.value("CML_INTERVAL"))
        )
        if due_at is None:
            return True
        last = self.last_reads[source]
        return due_at <= self.now and (last is None or self.now - last > stale_after(interval))


def workers_to_judge(worker_ids: Sequence[uuid.UUID] | None) -> list[Worker]:
    """These workers, or all; without those that are gone and have nothing open. One query."""
    has_open = Exists(Alert.objects.open().filter(worker=OuterRef("pk")))
    known = {column.name for column in Worker._meta.get_fields()}
    needed = [*_NEEDED, *(name for name in _EXPIRIES if name in known)]
    workers = Worker.objects.filter(~Q(machine_state=MachineState.TERMINATED) | has_open).only(*needed)
    return list(workers if worker_ids is None else workers.filter(pk__in=worker_ids))


def facts_of(workers: Sequence[Worker], *, now: datetime, all_workers: bool) -> Facts:
    """The facts of these workers. `all_workers`: they are the whole fleet, so that nothing needs to be asked by id."""
    ids = [worker.pk for worker in workers]
    open_alerts = Alert.objects.open().filter(worker__isnull=False)
    if not all_workers:
        open_alerts = open_alerts.filter(worker__in=ids)
    alerts = {(alert.worker_id, alert.kind): alert for alert in open_alerts if alert.worker_id}
    thresholds = book(now=now, worker_ids=None if all_workers else ids)
    return Facts(
        now=now,
        book=thresholds,
        alerts=alerts,
        samples=_samples(workers, alerts, thresholds, now=now, all_workers=all_workers),
        left_ready=_left_ready(workers),
        last_reads=_last_reads(),
    )


def _samples(workers: Sequence[Worker], alerts: Alerts, thresholds: Book, *, now: datetime, all_workers: bool) -> Readings:
    """The measurements of those whose usage may matter: over somebody's line just now, or with an alert on it. Two queries."""
    ids = [worker.pk for worker in workers]
    recent = now - _fresh_at_most()
    whose = Q() if all_workers else Q(worker__in=ids)
    over = Q()
    for name in FIGURES:
        over |= Q(**{f"{name}__gte": thresholds.lowest(AlertKind(name))})
    hot = set(Sample.objects.filter(whose, over, at__gte=recent).order_by().values_list("worker_id", flat=True).distinct())
    hot |= {worker_id for worker_id, kind in alerts if kind in FIGURES}
    if not hot:
        return {}
    # When it is most of the fleet, reading all is cheaper than naming them.
    few = Q(worker__in=hot) if len(hot) <= MOST_NAMED else whose
    samples = Sample.objects.filter(few, at__gte=recent - looks_back(thresholds.longest_hold)).order_by("at", "id")
    found: Readings = defaultdict(list)
    for worker_id, source, at, *values in samples.values_list("worker_id", "source", "at", *FIGURES):
        for name, value in zip(FIGURES, values, strict=True):
            if value is not None:
                found[worker_id, source, name].append(Reading(at, value))
    return dict(found)


def _fresh_at_most() -> timedelta:
    """The age beyond which a measurement of neither source is fresh."""
    return stale_after(max(runtime.value("CML_INTERVAL"), runtime.value("METRICS_INTERVAL"))) + PERIOD


def _left_ready(workers: Sequence[Worker]) -> dict[uuid.UUID, datetime]:
    """When each of those that are not ready was last seen to leave that state. One query, about those alone."""
    not_ready = [
        worker.pk
        for worker in workers
        if worker.machine_state == MachineState.RUNNING and worker.service.label not in READY_WORDS
    ]
    if not not_ready:
        return {}
    left = Event.objects.filter(worker__in=not_ready, kind=EventKind.SERVICE, before__in=READY_WORDS)
    rows = left.order_by().values_list("worker_id").annotate(latest=Max("at"))
    return {worker_id: latest for worker_id, latest in rows if worker_id}


def _last_reads() -> dict[str, datetime | None]:
    latest = Worker.objects.aggregate(EC2=Max("aws_checked_at"), CML=Max("cml_checked_at"))
    return dict(latest)
