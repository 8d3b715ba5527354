"""The labs of every worker, once a night: claimed in the database, each worker at its own minute of the window."""

from __future__ import annotations

import uuid
import zlib
from datetime import datetime, timedelta

from django.db.models import Q

from cmlmanager import runtime
from labs.models import LabsBackup
from labs.services.versions import requests
from workers.choices import ActorKind, MachineState, ServiceState
from workers.models import Worker
from workers.services.operations.asking import Asker, UnableToAsk
from workers.services.record import Actor

BATCH = 50  # workers a tick
AGAIN = timedelta(minutes=10)  # after which a worker that something stood in the way of is asked again
BY = Asker(actor=Actor(kind=ActorKind.SCHEDULE), reason="Nightly")


def next_at(worker_id: uuid.UUID, *, after: datetime, hour: int | None = None, minutes: int | None = None) -> datetime:
    """This worker's minute of the first window that begins after `after`; the window is the settings' unless it is given."""
    hour = runtime.value("LABS_NIGHTLY_HOUR") if hour is None else hour
    minutes = runtime.value("LABS_NIGHTLY_MINUTES") if minutes is None else minutes
    begins = after.replace(hour=hour, minute=0, second=0, microsecond=0)
    offset = timedelta(seconds=zlib.crc32(worker_id.bytes) % (minutes * 60))
    return next(at for day in (-1, 0, 1, 2) if (at := begins + timedelta(days=day) + offset) > after)


def tick(*, now: datetime) -> int:
    """Ask for the backups that are due; returns how many. A worker that is off at its minute is taken when it is ready again."""
    if not runtime.value("LABS_NIGHTLY"):
        return 0
    _know_everyone(now)
    ready = Q(worker__machine_state=MachineState.RUNNING, worker__service_state__in=(ServiceState.READY, ServiceState.DEGRADED))
    due = LabsBackup.objects.filter(ready, due_at__lte=now).select_related("worker").order_by("due_at", "pk")
    return sum(_ask(row, now) for row in due[:BATCH])


def plan_anew(*, hour: int, minutes: int, now: datetime) -> int:
    """The window has changed: everybody who is not due yet gets their minute of the new one. Returns how many."""
    rows = list(LabsBackup.objects.select_for_update().filter(due_at__gt=now))
    for row in rows:
        row.due_at = next_at(row.worker_id, after=now, hour=hour, minutes=minutes)
    LabsBackup.objects.bulk_update(rows, ["due_at"], batch_size=500)
    return len(rows)


def _know_everyone(now: datetime) -> None:
    new = Worker.objects.filter(machine_state=MachineState.RUNNING).exclude(pk__in=LabsBackup.objects.values("worker"))
    rows = [LabsBackup(worker=worker, due_at=next_at(worker.pk, after=now)) for worker in new.only("pk")[:500]]
    LabsBackup.objects.bulk_create(rows, ignore_conflicts=True)


def _ask(row: LabsBackup, now: datetime) -> bool:
    """Take one worker and ask. Whoever moves the due time asks; a process killed in between leaves it due again soon."""
    mine = LabsBackup.objects.filter(pk=row.pk, due_at=row.due_at)
    if not mine.update(due_at=now + AGAIN):
        return False
    try:
        operation = requests.ask_worker_backup(worker=row.worker, by=BY, now=now)
    except UnableToAsk:
        return False
    LabsBackup.objects.filter(pk=row.pk).update(due_at=next_at(row.worker_id, after=now), asked_at=now, operation=operation)
    return True
