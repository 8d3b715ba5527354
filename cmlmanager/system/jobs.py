"""The jobs as a page or a program sees them, and what an administrator does to one."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from cmlmanager.system import events, pauses, recorder, runs, timetable
from cmlmanager.system.choices import JobState, RunState, Trigger
from cmlmanager.system.models import Job, JobRun
from cmlmanager.system.timetable import Entry
from workers.choices import EventKind
from workers.services.notifications.audit import note
from workers.services.operations.asking import Asker

logger = logging.getLogger(__name__)

# A run that is asked for waits no longer than this for a Celery worker.
QUEUED_FOR = runs.QUEUED_FOR
RUNS_UNTIL = timedelta(seconds=2)  # a tick that began so shortly ago and has no end yet is still running


class UnableToActOnJob(Exception):
    """Why nothing was done, as a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, kw_only=True)
class ListedJob:
    """A job with its row, which is None until it is first known; `since` is when its trouble began."""

    entry: Entry
    row: Job | None
    state: JobState
    next_due: datetime | None
    since: datetime | None

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def label(self) -> str:
        return self.entry.label

    @property
    def every(self) -> str:
        """ "1 s", "10 min", "1 h"."""
        return span_text(self.entry.seconds)

    @property
    def mean_ms(self) -> float | None:
        return self.row.total_ms / self.row.runs if self.row is not None and self.row.runs else None


def span_text(seconds: float) -> str:
    """A length of time, short: "0.5 s", "30 s", "10 min", "1 h"."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"


def listed(*, now: datetime) -> list[ListedJob]:
    """Every job of the timetable, in its order. One query."""
    rows = Job.objects.in_bulk()
    return [_listed(entry, rows.get(name), now=now) for name, entry in timetable.entries().items()]


def job(name: str, *, now: datetime) -> ListedJob | None:
    """One job; None when the timetable has none of this name."""
    entry = timetable.entries().get(name)
    return _listed(entry, Job.objects.select_related("paused_by").filter(pk=name).first(), now=now) if entry else None


def _listed(entry: Entry, row: Job | None, *, now: datetime) -> ListedJob:
    if row is None:
        return ListedJob(entry=entry, row=None, state=JobState.NEW, next_due=None, since=None)
    last = row.ticked_at or row.known_at
    due = last + timedelta(seconds=entry.seconds)
    state, since = _state(entry, row, last, now=now)
    return ListedJob(entry=entry, row=row, state=state, next_due=None if state == JobState.PAUSED else due, since=since)


def _state(entry: Entry, row: Job, last: datetime, *, now: datetime) -> tuple[JobState, datetime | None]:
    if row.paused_at is not None:
        return JobState.PAUSED, row.paused_at
    if row.started_at is not None and row.ended_at is None and now - row.started_at < timedelta(seconds=entry.limit):
        return JobState.RUNNING, None
    if now - last > entry.late_after:
        return JobState.LATE, last + timedelta(seconds=entry.seconds)
    if row.failing_since is not None:
        return JobState.FAILING, row.failing_since
    return (JobState.WELL if row.started_at else JobState.NEW), None


def runs_of(name: str) -> list[JobRun]:
    """The kept runs of a job, newest first, as a queryset."""
    return JobRun.objects.filter(job=name).select_related("asked_by").defer("lines").order_by("-id")  # type: ignore[return-value]


def pause(*, name: str, reason: str, by: Asker, now: datetime) -> None:
    """Let the job's work rest until somebody resumes it. Raises UnableToActOnJob."""
    entry = _entry(name)
    reason = " ".join(reason.split())[:200]
    if not reason:
        raise UnableToActOnJob("Say why, for those who find the job paused.")
    runs.know({name: entry}, now=now)
    with transaction.atomic():
        free = Job.objects.filter(pk=name, paused_at__isnull=True)
        fields = {"paused_at": now, "paused_by": by.actor.user, "paused_name": by.actor.name[:150], "pause_reason": reason}
        if not free.update(**fields):
            raise UnableToActOnJob(f"{entry.label} is paused already.")
        note(EventKind.JOB_PAUSED, actor=by.actor, now=now, after=entry.label, detail=reason, from_address=by.from_address)
        events.announce_jobs(at_once=True)
    pauses.forget()


def resume(*, name: str, by: Asker, now: datetime) -> None:
    """Let it work again: what became due meanwhile is done at the next tick. Raises UnableToActOnJob."""
    entry = _entry(name)
    with transaction.atomic():
        row = Job.objects.filter(pk=name, paused_at__isnull=False).first()
        fields = {"paused_at": None, "paused_by": None, "paused_name": "", "pause_reason": ""}
        # It is not late for having rested.
        if row is None or not Job.objects.filter(pk=name, paused_at=row.paused_at).update(**fields, ticked_at=now):
            raise UnableToActOnJob(f"{entry.label} is not paused.")
        detail = f"Paused since {row.paused_at:%d %b %Y, %H:%M} UTC: {row.pause_reason}"
        note(EventKind.JOB_RESUMED, actor=by.actor, now=now, after=entry.label, detail=detail, from_address=by.from_address)
        events.announce_jobs(at_once=True)
    pauses.forget()


def run_now(*, name: str, by: Asker, now: datetime) -> JobRun:
    """Have the job run once, now, also while it is paused. Raises UnableToActOnJob when it is about to run, or runs, anyway."""
    entry = _entry(name)
    runs.know({name: entry}, now=now)
    with transaction.atomic():
        # Held, so that two people at once do not ask twice; on SQLite the transaction holds the only write lock.
        Job.objects.select_for_update().get(pk=name)
        under_way = JobRun.objects.in_flight().filter(job=name).order_by("-id").first()
        if under_way is not None and now - under_way.asked_at < timedelta(seconds=entry.limit) + QUEUED_FOR:
            doing = "is queued" if under_way.state == RunState.QUEUED else "runs"
            raise UnableToActOnJob(f"{entry.label} {doing} already: wait for that run to end.")
        run = JobRun.objects.create(
            job_id=name,
            trigger=Trigger.PERSON,
            asked_by=by.actor.user,
            asked_name=by.actor.name[:150],
            task_id=str(uuid.uuid4()),
            state=RunState.QUEUED,
            asked_at=now,
        )
        note(EventKind.JOB_RUN, actor=by.actor, now=now, after=entry.label, detail=by.reason, from_address=by.from_address)
        events.announce_jobs(at_once=True)
        transaction.on_commit(partial(_send, entry, run))
    return run


def _send(entry: Entry, run: JobRun) -> None:
    headers = {recorder.RUN_HEADER: run.pk}
    try:
        current_app.send_task(entry.task, task_id=run.task_id, headers=headers, expires=int(QUEUED_FOR.total_seconds()))
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("%s could not be queued: %s", entry.task, error)
        sentence = "Redis did not take the order: nothing was run. Ask again when it is back."
        JobRun.objects.filter(pk=run.pk, state=RunState.QUEUED).update(
            state=RunState.FAILED, ended_at=run.asked_at, error=sentence
        )


def _entry(name: str) -> Entry:
    entry = timetable.entries().get(name)
    if entry is None:
        raise UnableToActOnJob(f"There is no job {name}.")
    return entry
