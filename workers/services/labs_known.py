"""What is known of a worker's labs, on the worker itself: how many, how many of them run, and when they were read. The labs app tells."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Case, F, Value, When

from workers import events
from workers.choices import MachineState
from workers.models import Worker
from workers.services import record


def keep_counts(*, worker: Worker, total: int, running: int, now: datetime) -> bool:
    """Write and announce the numbers if they changed and the machine still runs; returns whether they were written."""
    if (worker.labs_total, worker.labs_running) == (total, running):
        return False
    current = Worker.objects.filter(pk=worker.pk, machine_state=MachineState.RUNNING)
    if not current.update(labs_total=total, labs_running=running):
        return False
    before = {"labs_total": worker.labs_total, "labs_running": worker.labs_running}
    worker.labs_total, worker.labs_running = total, running
    events.tell_changes(worker, before, by=record.CML, at=now)
    events.announce_workers([worker.pk])
    return True


def mark_read(*, worker_ids: Iterable[uuid.UUID], claimed_until: datetime, due_at: datetime, at: datetime) -> None:
    """The labs of these workers were read at `at`; they are due again at `due_at`, or as whoever asked for more meanwhile said.

    One statement, however many workers there are.
    """
    untouched = When(labs_due_at=claimed_until, then=Value(due_at))
    workers = Worker.objects.filter(pk__in=list(worker_ids), machine_state=MachineState.RUNNING)
    workers.update(labs_succeeded_at=at, labs_due_at=Case(untouched, default=F("labs_due_at")))


def ask_for_reading(*, worker_id: uuid.UUID, now: datetime) -> None:
    """Have the labs of this worker read at beat's next tick."""
    Worker.objects.filter(pk=worker_id, machine_state=MachineState.RUNNING).update(labs_due_at=now)
