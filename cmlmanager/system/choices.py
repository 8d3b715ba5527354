"""States of checks, runs and processes, with their looks."""

from __future__ import annotations

from django.db.models import TextChoices

from workers.choices import Look


class HealthState(TextChoices):
    """How a part of the installation does, worst first."""

    FAILING = "failing", "Failing"
    WARNING = "warning", "Warning"
    OK = "ok", "Well"
    OFF = "off", "Off"

    @property
    def look(self) -> Look:
        return _HEALTH_LOOKS[self]

    @property
    def is_trouble(self) -> bool:
        return self in (HealthState.FAILING, HealthState.WARNING)

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(HealthState).index(self)


_HEALTH_LOOKS = {
    HealthState.FAILING: Look("bad", "x-circle", "It does not work: somebody should act now."),
    HealthState.WARNING: Look("warn", "exclamation-triangle", "It works, but somebody should look at it soon."),
    HealthState.OK: Look("good", "check-circle", "It works."),
    HealthState.OFF: Look("off", "minus-circle", "It is not set up, and nothing needs it."),
}


class RunState(TextChoices):
    """How far one run of a job is."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    LOST = "lost", "Lost"

    @property
    def look(self) -> Look:
        return _RUN_LOOKS[self]

    @classmethod
    def in_flight(cls) -> tuple[RunState, ...]:
        return (cls.QUEUED, cls.RUNNING)


_RUN_LOOKS = {
    RunState.QUEUED: Look("busy", "clock", "It waits for a Celery worker."),
    RunState.RUNNING: Look("busy", "arrow-path", "Going on."),
    RunState.SUCCEEDED: Look("good", "check-circle", "Done."),
    RunState.FAILED: Look("bad", "x-circle", "It ended with an error."),
    RunState.LOST: Look("bad", "question-mark-circle", "Nobody took it, or the process that ran it is gone."),
}


class JobState(TextChoices):
    """How a job does, for its row."""

    FAILING = "failing", "Failing"
    LATE = "late", "Late"
    RUNNING = "running", "Running"
    WELL = "well", "Well"
    PAUSED = "paused", "Paused"
    NEW = "new", "Not run yet"

    @property
    def look(self) -> Look:
        return _JOB_LOOKS[self]


_JOB_LOOKS = {
    JobState.FAILING: Look("bad", "x-circle", "Its last run ended with an error."),
    JobState.LATE: Look("warn", "clock", "It has not run when it was due."),
    JobState.RUNNING: Look("busy", "arrow-path", "It runs now."),
    JobState.WELL: Look("good", "check-circle", "Its last run went well."),
    JobState.PAUSED: Look("off", "pause-circle", "Somebody paused it: its work is not done."),
    JobState.NEW: Look("unknown", "minus-circle", "It has not run since it is known."),
}


class Trigger(TextChoices):
    """Why a job ran."""

    SCHEDULE = "schedule", "Timetable"
    PERSON = "person", "Run now"
    PORTAL = "portal", "The portal"  # a service asked for it between two due times


class ProcessKind(TextChoices):
    """Processes that say that they live."""

    WORKER = "worker", "Celery worker"
    BEAT = "beat", "Beat"
