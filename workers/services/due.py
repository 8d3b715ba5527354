"""Who is due, and who takes it: due times move by compare-and-swap, so that two beats or two workers never do the same work."""

from __future__ import annotations

import uuid
import zlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q

from workers.choices import MachineState, ServiceState
from workers.models import Worker

_ALL = Q()
FURTHEST = 1.5  # intervals
_SHARES = 20  # groups into which a fleet that is planned anew is spread: an update each


def next_slot(worker_id: uuid.UUID, *, interval: int, now: datetime) -> datetime:
    """When this worker comes next, at least half an interval away and at most FURTHEST of them.

    Each has its own second of the interval, which spreads the fleet.
    """
    phase = zlib.crc32(worker_id.bytes) % (interval * 1000) / 1000
    earliest = now.timestamp() + interval / 2
    slot = earliest - (earliest - phase) % interval + interval
    return datetime.fromtimestamp(slot, tz=UTC)


def claim_region(field: str, *, region: str, account: str = "", interval: float, now: datetime) -> list[uuid.UUID]:
    """Take all workers of `region` of `account` that are due by `field` and known to EC2; returns their ids, and none when somebody else took them.

    A region is read in one go, so its workers share their due time.
    """
    with transaction.atomic():
        due = Worker.objects.known_to_ec2().due(field, now).filter(account=account, region=region)
        if field == "metrics_due_at":
            due = due.filter(machine_state=MachineState.RUNNING)
        # The lock makes this claim one step on PostgreSQL; on SQLite the transaction itself holds the only write lock.
        ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True))
        for start in range(0, len(ids), 500):
            Worker.objects.filter(pk__in=ids[start : start + 500]).update(**{field: now + timedelta(seconds=interval)})
    return ids


def pull_forward(field: str, *, within: float, over: float, now: datetime, among: Q = _ALL) -> int:
    """Of `among`, those that are due by `field` later than `within` seconds from now were planned by a longer interval than today's: they
    come due within `over` seconds, spread (0: at once). Returns how many.

    Every tick does this, so that a shorter interval holds from the next tick on, whoever was just planning by the longer one.
    """
    line = now + timedelta(seconds=within)
    late = Worker.objects.filter(among, **{f"{field}__gt": line})
    ids = list(late.values_list("pk", flat=True))
    shares: dict[int, list[uuid.UUID]] = defaultdict(list)
    for worker_id in ids:
        shares[zlib.crc32(worker_id.bytes) % _SHARES if over else 0].append(worker_id)
    for share, mine in shares.items():
        at = now + timedelta(seconds=over * share / _SHARES)
        for start in range(0, len(mine), 500):
            # Not those that somebody has asked for, or claimed, meanwhile.
            late.filter(pk__in=mine[start : start + 500]).update(**{field: at})
    return len(ids)


# Whose last look ended with a time-out and whom nobody waits for: they may hold a thread for long.
_SUSPECT = Q(cml_timeouts__gt=0, refresh_asked_at__isnull=True)


def is_suspect(worker: Worker) -> bool:
    """Whether it was claimed as one that may hold a thread for long."""
    return worker.cml_timeouts > 0 and worker.refresh_asked_at is None


def claim_cml(*, limit: int, suspects: int, interval: int, now: datetime) -> list[Worker]:
    """Take up to `limit` running workers whose CML is due, longest overdue first; each moves to its own slot of the interval.

    At most `suspects` of them are ones whose last look timed out.
    """
    running = Worker.objects.due("cml_due_at", now).filter(machine_state=MachineState.RUNNING)
    candidates = list(running.filter(_SUSPECT)[: max(0, min(suspects, limit))])
    candidates += running.exclude(_SUSPECT)[: limit - len(candidates)]
    if not candidates:
        return []
    claimed = []
    with transaction.atomic():
        for worker in candidates:
            slot = next_slot(worker.pk, interval=interval, now=now)
            if Worker.objects.filter(pk=worker.pk, cml_due_at=worker.cml_due_at).update(cml_due_at=slot):
                worker.cml_due_at = slot
                claimed.append(worker)
    return claimed


def due_places(*, now: datetime) -> list[tuple[str, str]]:
    """Accounts and regions with at least one worker whose state or metrics are due."""
    workers = Worker.objects.known_to_ec2()
    states = workers.due("aws_due_at", now).order_by().values_list("account", "region").distinct()
    metrics = workers.due("metrics_due_at", now).filter(machine_state=MachineState.RUNNING).order_by()
    return sorted({*states, *metrics.values_list("account", "region").distinct()})


def claim_labs(*, limit: int, until: datetime, now: datetime, only: Iterable[uuid.UUID] | None = None) -> list[Worker]:
    """Take up to `limit` workers whose labs are due and whose CML can be asked, longest overdue first; `only` these, due or not.

    They are due again at `until`, unless whoever took them has read them by then (labs_known.mark_read).
    """
    ready = Worker.objects.filter(
        machine_state=MachineState.RUNNING, service_state__in=(ServiceState.READY, ServiceState.DEGRADED)
    )
    due = ready.due("labs_due_at", now) if only is None else ready.filter(pk__in=list(only)).order_by("name", "pk")
    if not due.exists():  # without the write lock, which most ticks do not need
        return []
    with transaction.atomic():
        workers = list(due.select_for_update(skip_locked=True)[:limit])
        Worker.objects.filter(pk__in=[worker.pk for worker in workers]).update(labs_due_at=until)
    return workers
