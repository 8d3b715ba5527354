"""Celery workers: which say that they live, since when, and what they run."""

from __future__ import annotations

from datetime import datetime

from django.utils.dateparse import parse_datetime

from cmlmanager.system import health
from cmlmanager.system.choices import ProcessKind
from cmlmanager.system.models import Process
from cmlmanager.system.models.process import ALIVE

_ADVICE = "Start one with `celery -A cmlmanager worker`; the log of the one that ended says why."


@health.register(name="workers", label="Celery workers", group=health.Group.WORK, cheap=True)
def workers(context: health.Context) -> health.Said:
    """Their rows."""
    now = context.now
    rows = list(Process.objects.filter(kind=ProcessKind.WORKER).order_by("name"))
    alive = [row for row in rows if now - row.seen_at <= ALIVE]
    gone = [row for row in rows if now - row.seen_at > ALIVE]
    facts = {row.name: _described(row, now) for row in alive} | {row.name: _missed(row) for row in gone}
    if not alive:
        return health.failing(
            "No Celery worker says that it lives: nothing is read, and nothing that is asked for is done.",
            _ADVICE,
            since=max((row.seen_at for row in rows), default=None),
            facts=facts,
        )
    answer = f"{len(alive)} Celery worker{'s' if len(alive) > 1 else ''} at work."
    if gone:
        names = ", ".join(row.name for row in gone)
        return health.warning(
            f"{names} has not been heard of since {min(row.seen_at for row in gone):%H:%M} UTC. {answer}",
            f"{_ADVICE} It is forgotten an hour after it was last heard of.",
            since=min(row.seen_at for row in gone),
            facts=facts,
        )
    return health.ok(answer, since=min(row.started_at for row in alive), facts=facts)


def _described(row: Process, now: datetime) -> str:
    running = []
    for task in row.facts.get("running", []):
        since = parse_datetime(str(task.get("since", "")))
        running.append(f"{task.get('task', '')}" + (f" for {max(0, int((now - since).total_seconds()))} s" if since else ""))
    concurrency, done = row.facts.get("concurrency"), row.facts.get("done", 0)
    parts = [f"since {row.started_at:%d %b, %H:%M} UTC"]
    if concurrency:
        parts.append(f"{concurrency} at once")
    parts.append(f"{done} taken")
    parts.append(f"runs {', '.join(running)}" if running else "runs nothing just now")
    return "; ".join(parts)


def _missed(row: Process) -> str:
    return f"not heard of since {row.seen_at:%d %b, %H:%M:%S} UTC"
