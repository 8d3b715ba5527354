"""Runs of jobs that tick every few seconds: counted in this process, written together every ten seconds.

Two jobs that run every second in four processes would otherwise be the busiest writers of the database. A failure, or the first success
after one, is written at once; a row of its own has a run that failed, was slow or did something, of each at most one in half a minute.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from cmlmanager.system import events, runs
from cmlmanager.system.choices import RunState, Trigger
from cmlmanager.system.models import Job, JobRun

if TYPE_CHECKING:
    from cmlmanager.system.recorder import Order, Outcome
    from cmlmanager.system.timetable import Entry

logger = logging.getLogger(__name__)

FLUSH_EVERY = 10.0  # seconds
ROW_EVERY = 30.0  # seconds between two rows of one job and kind


@dataclass
class Count:
    """What one job did since the last writing."""

    runs: int = 0
    failures: int = 0
    skipped: int = 0
    total_ms: float = 0
    longest_ms: float = 0
    last: Outcome | None = None
    ticked_at: datetime | None = None


@dataclass
class _Tally:
    """This process's counts, and when rows were written."""

    counts: dict[str, Count] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    flushed_at: float = 0.0
    rows_at: dict[tuple[str, str], float] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)


_tally = _Tally()


def skipped(entry: Entry) -> None:
    """A tick that was not to run: its job is paused, or another beat's tick was first."""
    _count(entry).skipped += 1
    _flush_when_due()


def ran(entry: Entry, order: Order, outcome: Outcome) -> None:
    """A run that has ended."""
    count = _count(entry)
    count.runs += 1
    count.total_ms += outcome.took_ms
    count.longest_ms = max(count.longest_ms, outcome.took_ms)
    count.last = outcome
    if order.trigger == Trigger.SCHEDULE:
        count.ticked_at = outcome.started_at  # what a service asks for in between does not make a late job punctual
    failed = outcome.state == RunState.FAILED
    count.failures += failed
    turned = failed != (entry.name in _tally.failing)
    (_tally.failing.add if failed else _tally.failing.discard)(entry.name)
    if turned or _deserves_row(entry, outcome):
        _keep(entry, order, outcome)
    if turned:
        flush()
    else:
        _flush_when_due()


def _count(entry: Entry) -> Count:
    _tally.entries[entry.name] = entry
    return _tally.counts.setdefault(entry.name, Count())


def _deserves_row(entry: Entry, outcome: Outcome) -> bool:
    if outcome.state == RunState.FAILED:
        kind = "failed"
    elif outcome.took_ms >= entry.slow_ms:
        kind = "slow"
    elif outcome.did_something:
        kind = "work"
    else:
        return False
    return time.monotonic() - _tally.rows_at.get((entry.name, kind), -ROW_EVERY) >= ROW_EVERY and _mark(entry.name, kind)


def _mark(name: str, kind: str) -> bool:
    _tally.rows_at[name, kind] = time.monotonic()
    return True


def _keep(entry: Entry, order: Order, outcome: Outcome) -> None:
    row = JobRun(
        job_id=entry.name,
        trigger=order.trigger,
        task_id=order.task_id,
        process=order.process[:128],
        state=outcome.state,
        asked_at=order.sent_at,
        started_at=outcome.started_at,
        ended_at=outcome.ended_at,
        took_ms=outcome.took_ms,
        result=outcome.result,
        error=outcome.error,
        lines=outcome.lines.kept,
        lines_left_out=outcome.lines.left_out,
    )
    try:
        with transaction.atomic():
            runs.know({entry.name: entry}, now=outcome.ended_at)
            row.save()
    except DatabaseError as error:
        logger.warning("A run of %s could not be kept: %s", entry.name, error)


def _flush_when_due() -> None:
    if time.monotonic() - _tally.flushed_at >= FLUSH_EVERY:
        flush()


def flush() -> None:
    """Write what was counted, in one transaction. What the database does not take is written the next time."""
    counts, _tally.counts = _tally.counts, {}
    _tally.flushed_at = time.monotonic()
    if not counts:
        return
    try:
        with transaction.atomic():
            runs.know({name: _tally.entries[name] for name in counts}, now=timezone.now())
            for name, count in counts.items():
                _write(name, count)
            events.announce_jobs()
    except DatabaseError as error:
        logger.warning("The figures of jobs could not be written: %s", error)
        for name, count in counts.items():
            _tally.counts[name] = count  # nothing came in between: one process, one run at a time


def _write(name: str, count: Count) -> None:
    Job.objects.filter(pk=name).update(
        runs=F("runs") + count.runs,
        failures=F("failures") + count.failures,
        skipped=F("skipped") + count.skipped,
        total_ms=F("total_ms") + count.total_ms,
        longest_ms=Greatest(F("longest_ms"), count.longest_ms),
    )
    if count.last is not None:
        # Another process may have written of a later run by now.
        newer = Job.objects.filter(Q(started_at__isnull=True) | Q(started_at__lte=count.last.started_at), pk=name)
        newer.update(started_at=count.last.started_at, **runs.last(count.last))
    if count.ticked_at is not None:
        earlier = Job.objects.filter(Q(ticked_at__isnull=True) | Q(ticked_at__lt=count.ticked_at), pk=name)
        earlier.update(ticked_at=count.ticked_at)


def forget() -> None:
    """Begin anew, as a forked child does and a test."""
    global _tally  # noqa: PLW0603 - one a process
    _tally = _Tally()
