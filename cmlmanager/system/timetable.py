"""The jobs: the entries of settings.CELERY_BEAT_SCHEDULE, in words."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from celery import current_app
from celery.schedules import maybe_schedule
from django.conf import settings

# Seconds from which on a job has runs of its own in the database, one for each due time. What comes oftener is a tick: it asks the
# database what is due, finds nothing most of the time, and may come twice.
ONCE_FROM = 30
_GRACE = timedelta(seconds=30)  # in the queue, and until figures of ticks are written
# Name → label, and what it does. A job that is not here is called by its name.
_WORDS = {
    "fleet": ("EC2 and CloudWatch", "Has the regions read in which a worker is due."),
    "cml": ("CML servers", "Reads version, health, usage and licence of the CML servers that are due."),
    "labs": ("Labs", "Reads the labs of the workers that are due."),
    "labs_nightly": ("Nightly backups", "Asks for the backups of labs that are due tonight."),
    "lab_versions": ("Old versions of labs", "Deletes versions of labs that are past their time or number."),
    "operations": ("Operations", "Goes on with operations that are due and in nobody’s hands."),
    "alerts": ("Alerts", "Judges the whole fleet by its alert thresholds."),
    "license_tokens": ("Licence tokens", "Deletes registration tokens that nobody needs any more."),
    "discovery": ("Discovery", "Imports instances that match the pattern or the tag of the settings."),
    "heartbeat": ("Heartbeat", "Sends every open page a sign that the whole path works."),
    "rollup": ("Hourly means", "Makes the means of the hours that have ended."),
    "notifications": ("Notifications", "Sends the notices that are due."),
    "deliveries": ("Old notices", "Deletes notices that are past their time from the log."),
    "retention": ("Old usage", "Deletes usage figures that are past their time."),
    "system": ("Health checks", "Runs the checks of this page that are due."),
    "runs": ("Old runs", "Deletes runs of jobs that are past their time."),
}


@lru_cache(maxsize=1)
def _load_tasks() -> None:
    current_app.loader.import_default_modules()  # a web process has no need of them otherwise


def _task(name: str) -> Any:
    _load_tasks()
    return current_app.tasks.get(name)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One job. `seconds` is how often it is due."""

    name: str
    task: str
    seconds: float

    @property
    def label(self) -> str:
        return _WORDS[self.name][0] if self.name in _WORDS else self.name.replace("_", " ").capitalize()

    @property
    def does(self) -> str:
        """What it does, in a sentence: ours, or the first line of its task's docstring."""
        if self.name in _WORDS:
            return _WORDS[self.name][1]
        task = _task(self.task)
        return (inspect.getdoc(task.run) or "").partition("\n")[0] if task is not None else ""

    @property
    def limit(self) -> float:
        """Seconds after which Celery kills a run."""
        task = _task(self.task)
        return float((task.time_limit if task is not None else None) or settings.CELERY_TASK_TIME_LIMIT)

    @property
    def is_once(self) -> bool:
        """Whether each due time has one run, however many beats there are."""
        return self.seconds >= ONCE_FROM

    @property
    def slow_ms(self) -> float:
        """Milliseconds from which on a run is slow: longer than the time to the next."""
        return max(1.0, self.seconds) * 1000

    def slot_of(self, moment: datetime) -> datetime:
        """The due time that a tick at `moment` is for: beats that start at different times agree on it."""
        seconds = moment.timestamp()
        return datetime.fromtimestamp(seconds - seconds % self.seconds, tz=UTC)

    @property
    def late_after(self) -> timedelta:
        """How long after its last run it is late: two intervals, and some time in the queue."""
        return timedelta(seconds=2 * self.seconds) + _GRACE


def _seconds(schedule: Any) -> float:
    every = getattr(maybe_schedule(schedule), "run_every", None)  # a crontab has none: it looks once a minute
    return max(0.1, every.total_seconds()) if every is not None else 60.0


def entries() -> dict[str, Entry]:
    """Every job by name, in the timetable's order."""
    return {
        name: Entry(name=name, task=entry["task"], seconds=_seconds(entry["schedule"]))
        for name, entry in settings.CELERY_BEAT_SCHEDULE.items()
    }


def entry_of_task(task: str) -> Entry | None:
    """The job whose task this is; None for work that services hand out piece by piece."""
    return next((entry for entry in entries().values() if entry.task == task), None)
