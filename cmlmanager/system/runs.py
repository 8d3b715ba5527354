"""Rows of runs: begun, ended, lost."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest

from cmlmanager.system import events, timetable
from cmlmanager.system.choices import RunState, Trigger
from cmlmanager.system.models import Job, JobRun

if TYPE_CHECKING:
    from cmlmanager.system.recorder import Order, Outcome
    from cmlmanager.system.timetable import Entry

logger = logging.getLogger(__name__)

# After its hard time limit a run cannot live any more; a message waits no longer than it may before it expires.
AFTER_LIMIT = timedelta(seconds=60)
QUEUED_FOR = timedelta(seconds=300)


def know(entries: dict[str, Entry], *, now: datetime) -> None:
    """See that every job has its row."""
    rows = [Job(name=entry.name, task=entry.task, known_at=now) for entry in entries.values()]
    known = dict(Job.objects.values_list("pk", "task"))
    if any(known.get(row.name) != row.task for row in rows):
        Job.objects.bulk_create(rows, update_conflicts=True, unique_fields=["name"], update_fields=["task"])


def begin(entry: Entry, order: Order, *, now: datetime) -> JobRun | None:
    """The row of the run that begins; None when it is not to be: somebody else took the due time, or the order is void."""
    know({entry.name: entry}, now=now)
    run = _begin_asked(order, now=now) if order.run_id else _begin_due(entry, order, now=now)
    if run is not None:
        events.announce_jobs()
    return run


def _begin_asked(order: Order, *, now: datetime) -> JobRun | None:
    if order.run_id is None:
        return None
    mine = JobRun.objects.filter(pk=order.run_id, state__in=RunState.in_flight(), task_id=order.task_id)
    with transaction.atomic():
        if not mine.update(state=RunState.RUNNING, started_at=now, process=order.process[:128]):
            return None
        run = JobRun.objects.get(pk=order.run_id)
        Job.objects.filter(pk=run.job_id).update(started_at=now, ended_at=None)
    return run


def _begin_due(entry: Entry, order: Order, *, now: datetime) -> JobRun | None:
    slot = entry.slot_of(order.sent_at)
    free = Job.objects.filter(Q(slot__isnull=True) | Q(slot__lt=slot), pk=entry.name)
    fields = {"state": RunState.RUNNING, "started_at": now, "process": order.process[:128]}
    try:
        with transaction.atomic():
            if free.update(slot=slot, ticked_at=now, started_at=now, ended_at=None):
                return JobRun.objects.create(
                    job_id=entry.name,
                    slot=slot,
                    trigger=Trigger.SCHEDULE,
                    task_id=order.task_id,
                    asked_at=order.sent_at,
                    **fields,
                )
    except IntegrityError:  # the slot has its run, though the job's row was put back: a restored backup, for one
        return None
    # The same message once more: its first process died. Nobody else took the due time, so the work goes on.
    again = JobRun.objects.filter(job=entry.name, slot=slot, task_id=order.task_id, state=RunState.RUNNING)
    return again.first() if order.task_id and again.update(**fields) else None


def finish(entry: Entry, run: JobRun, outcome: Outcome) -> None:
    """Write how the run ended. A database that does not take it is no failure of the work: the sweep finds the run."""
    try:
        with transaction.atomic():
            JobRun.objects.filter(pk=run.pk).update(
                state=outcome.state,
                ended_at=outcome.ended_at,
                took_ms=outcome.took_ms,
                result=outcome.result,
                error=outcome.error,
                lines=outcome.lines.kept,
                lines_left_out=outcome.lines.left_out,
            )
            Job.objects.filter(pk=entry.name).update(
                started_at=outcome.started_at,
                runs=F("runs") + 1,
                failures=F("failures") + int(outcome.state == RunState.FAILED),
                total_ms=F("total_ms") + outcome.took_ms,
                longest_ms=Greatest(F("longest_ms"), outcome.took_ms),
                **last(outcome),
            )
            events.announce_jobs()
    except DatabaseError as error:
        logger.warning("How a run of %s ended could not be written: %s", entry.name, error)


def last(outcome: Outcome) -> dict[str, object]:
    """Fields of a job whose newest run ended so."""
    fields: dict[str, object] = {
        "ended_at": outcome.ended_at,
        "took_ms": outcome.took_ms,
        "result": outcome.result,
        "error": outcome.error,
    }
    if outcome.state == RunState.SUCCEEDED:
        return fields | {"succeeded_at": outcome.ended_at, "failing_since": None}
    return fields | {"failing_since": Coalesce("failing_since", outcome.started_at)}


def find_lost(*, now: datetime) -> int:
    """Runs that nobody took, or whose process is gone, are said to be lost; returns how many."""
    lost = 0
    for run in JobRun.objects.in_flight().only("job_id", "state", "asked_at", "started_at"):
        entry = timetable.entries().get(run.job_id)
        limit = timedelta(seconds=entry.limit if entry else 900) + AFTER_LIMIT
        if run.state == RunState.QUEUED:
            gone, why = run.asked_at < now - QUEUED_FOR, "No Celery worker took it within five minutes."
        else:
            gone, why = (run.started_at or run.asked_at) < now - limit, "The process that ran it is gone."
        if gone and JobRun.objects.filter(pk=run.pk, state=run.state).update(state=RunState.LOST, ended_at=now, error=why):
            lost += 1
            if run.state == RunState.RUNNING:
                Job.objects.filter(pk=run.job_id, started_at=run.started_at, ended_at__isnull=True).update(
                    ended_at=now, error=why, failing_since=Coalesce("failing_since", run.started_at), failures=F("failures") + 1
                )
            logger.warning("A run of %s is lost: %s", run.job_id, why)
    if lost:
        events.announce_jobs()
    return lost
