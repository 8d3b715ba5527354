"""What the conditions are judged by, read for any number of workers in a fixed number of queries."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, Max, OuterRef, Q

from workers.alert_choices import AlertKind
from workers.alert_lines import Book, book
from workers.choices import EventKind, MachineState, ServiceState, UsageSource
from workers.models import Alert, Event, Sample, Worker, stale_after
from workers.services.alerts.usage import Reading, looks_back

FIGURES = ("cpu", "memory", "disk")
PERIOD = timedelta(minutes=5)  # CloudWatch's: a datapoint is dated by its beginning
READY_WORDS = (ServiceState.READY.label, ServiceState.DEGRADED.label)
# Large, and nothing that a condition asks for.
_NOT_NEEDED = ("tags", "tag_text", "health", "computes", "ami_description", "tls_ca", "cml_password_encrypted")

Readings = dict[tuple[uuid.UUID, str, str], list[Reading]]  # by worker, source and figure; oldest first


@dataclass(frozen=True)
class Facts:
    """Everything beside the workers' own rows. `alerts`: the open ones by worker and kind; `left_ready`: when CML was last ready;
    `last_reads`: when anybody of the fleet was last read, by source."""

    now: datetime
    book: Book
    alerts: dict[tuple[uuid.UUID, str], Alert]
    samples: Readings
    left_ready: dict[uuid.UUID, datetime]
    last_reads: dict[str, datetime | None]

    def readings(self, worker: Worker, kind: AlertKind) -> tuple[list[Reading], datetime]:
        """The measurements since the machine runs, and from when on one is fresh. CML's; CloudWatch's CPU while CML's is old."""
        fresh = self.now - stale_after(settings.CML_INTERVAL)
        found = self._since_start(worker, UsageSource.CML, kind)
        if kind == AlertKind.CPU and (not found or found[-1].at < fresh):
            other = self._since_start(worker, UsageSource.CLOUDWATCH, kind)
            if other:
                return other, self.now - stale_after(settings.METRICS_INTERVAL) - PERIOD
        return found, fresh

    def _since_start(self, worker: Worker, source: str, kind: AlertKind) -> list[Reading]:
        readings = self.samples.get((worker.pk, source, kind), [])
        return [reading for reading in readings if reading.at >= worker.machine_state_since]

    def is_about_to_be_read(self, worker: Worker, source: str) -> bool:
        """Whether the portal itself was away: this worker is overdue, and so is everybody else. Then its next look will tell."""
        due_at, interval = (
            (worker.aws_due_at, settings.STATE_INTERVAL) if source == "EC2" else (worker.cml_due_at, settings.CML_INTERVAL)
        )
        last = self.last_reads[source]
        return (due_at is None or due_at <= self.now) and (last is None or self.now - last > stale_after(interval))


def workers_to_judge(worker_ids: Sequence[uuid.UUID] | None) -> list[Worker]:
    """These workers, or all; without those that are gone and have nothing open. One query."""
    has_open = Exists(Alert.objects.open().filter(worker=OuterRef("pk")))
    workers = Worker.objects.filter(~Q(machine_state=MachineState.TERMINATED) | has_open).defer(*_NOT_NEEDED)
    return list(workers if worker_ids is None else workers.filter(pk__in=worker_ids))


def facts_of(workers: Sequence[Worker], *, now: datetime, all_workers: bool) -> Facts:
    """The facts of these workers. `all_workers`: they are the whole fleet, so that nothing needs to be asked by id."""
    ids = [worker.pk for worker in workers]
    alerts = Alert.objects.open().filter(worker__isnull=False)
    if not all_workers:
        alerts = alerts.filter(worker__in=ids)
    thresholds = book(now=now, worker_ids=None if all_workers else ids)
    return Facts(
        now=now,
        book=thresholds,
        alerts={(alert.worker_id, alert.kind): alert for alert in alerts if alert.worker_id},
        samples=_samples(ids, thresholds, now=now, all_workers=all_workers),
        left_ready=_left_ready(workers),
        last_reads=_last_reads(),
    )


def _samples(ids: list[uuid.UUID], thresholds: Book, *, now: datetime, all_workers: bool) -> Readings:
    start = now - looks_back(thresholds.longest_hold) - stale_after(max(settings.CML_INTERVAL, settings.METRICS_INTERVAL))
    samples = Sample.objects.filter(at__gte=start) if all_workers else Sample.objects.filter(worker__in=ids, at__gte=start)
    found: Readings = defaultdict(list)
    for worker_id, source, at, *values in samples.order_by("at", "id").values_list("worker_id", "source", "at", *FIGURES):
        for name, value in zip(FIGURES, values, strict=True):
            if value is not None:
                found[worker_id, source, name].append(Reading(at, value))
    return dict(found)


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
