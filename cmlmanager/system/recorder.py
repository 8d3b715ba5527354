"""Around every run of a job: is it paused, has somebody else done it for this due time, how long did it take, what did it log?

A job that is due every half minute or less often has a row for each run, and takes its due time by compare-and-swap: with two beats the
second finds nothing to do. A job that ticks every few seconds would write more than it works: its runs are counted in memory and written
every ten seconds (`tally`), and only those leave a row that did something, failed or were slow.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone

from cmlmanager.system import lines, pauses, runs, tally
from cmlmanager.system.choices import RunState, Trigger
from cmlmanager.system.timetable import Entry

logger = logging.getLogger(__name__)

JOB_HEADER = "cmlmanager_job"  # beat's messages carry the job's name
RUN_HEADER = "cmlmanager_run"  # a person's carry the key of the run that was recorded for them
SENT_HEADER = "cmlmanager_sent"  # every message carries when it was sent, in seconds since 1970


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a message says of itself."""

    trigger: Trigger
    sent_at: datetime
    task_id: str
    process: str
    run_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run went."""

    state: RunState
    started_at: datetime
    ended_at: datetime
    took_ms: float
    result: str
    error: str
    did_something: bool
    lines: lines.Lines


def order_of(request: Any) -> Order:
    """The order that this Celery request is."""
    run_id = getattr(request, RUN_HEADER, None)
    by_beat = getattr(request, JOB_HEADER, None)
    sent = getattr(request, SENT_HEADER, None)
    return Order(
        trigger=Trigger.PERSON if run_id else Trigger.SCHEDULE if by_beat else Trigger.PORTAL,
        sent_at=datetime.fromtimestamp(float(sent), tz=UTC) if sent else timezone.now(),
        task_id=str(request.id or ""),
        process=str(request.hostname or socket.gethostname()),
        run_id=int(run_id) if run_id else None,
    )


def carry_out(entry: Entry, request: Any, work: Callable[[], Any]) -> Any:
    """Do `work`, or not, and write how it went. Raises what `work` raises."""
    order = order_of(request)
    if order.run_id is None and pauses.is_paused(entry.name):
        tally.skipped(entry)
        return None
    if order.run_id is None and not (entry.is_once and order.trigger == Trigger.SCHEDULE):
        return _counted(entry, order, work)
    run = runs.begin(entry, order, now=timezone.now())
    if run is None:
        tally.skipped(entry)
        return None
    outcome, value, error = _tried(work)
    runs.finish(entry, run, outcome)
    if error is not None:
        raise error
    return value


def _counted(entry: Entry, order: Order, work: Callable[[], Any]) -> Any:
    outcome, value, error = _tried(work)
    tally.ran(entry, order, outcome)
    if error is not None:
        raise error
    return value


def _tried(work: Callable[[], Any]) -> tuple[Outcome, Any, BaseException | None]:
    started_at, clock = timezone.now(), time.perf_counter()
    value: Any = None
    error: BaseException | None = None
    with lines.collected() as kept:
        try:
            value = work()
        except Exception as caught:  # it is raised again when the run is written
            error = caught
            kept.add("ERROR", "celery", _in_words(caught))
    took = (time.perf_counter() - clock) * 1000
    outcome = Outcome(
        state=RunState.SUCCEEDED if error is None else RunState.FAILED,
        started_at=started_at,
        ended_at=timezone.now(),
        took_ms=round(took, 1),
        result="" if error else _result(value),
        error=_in_words(error)[:500] if error else "",
        did_something=bool(value),
        lines=kept,
    )
    return outcome, value, error


def _result(value: Any) -> str:
    """What the task returned, in words: services return how many things they did, or nothing."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{int(value)} done" if value else "Nothing to do"
    return lines.without_secrets(str(value))[:200]


def _in_words(error: BaseException) -> str:
    if isinstance(error, SoftTimeLimitExceeded):
        return "It took longer than it may, and was stopped."
    return lines.without_secrets(f"{type(error).__name__}: {error}").strip().rstrip(":")
