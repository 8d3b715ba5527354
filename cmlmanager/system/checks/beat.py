"""Beat: without its ticks nothing is due."""

from __future__ import annotations

from datetime import timedelta

from django.utils.dateparse import parse_datetime

from cmlmanager.system import health
from cmlmanager.system.choices import ProcessKind
from cmlmanager.system.models import Process
from cmlmanager.system.models.process import ALIVE

# The timetable has jobs for every second; while Redis is away each tick takes a while.
QUIET = timedelta(seconds=60)
_ADVICE = "Start one with `celery -A cmlmanager beat`. Several do no harm."


@health.register(name="beat", label="Beat", group=health.Group.WORK, cheap=True)
def beat(context: health.Context) -> health.Said:
    """Their rows, and when they last had something to send."""
    now = context.now
    rows = list(Process.objects.filter(kind=ProcessKind.BEAT).order_by("-seen_at"))
    alive = [row for row in rows if now - row.seen_at <= ALIVE]
    if not alive:
        return health.failing(
            "No beat says that it lives: nothing becomes due, so nothing is read and no schedule is kept.",
            _ADVICE,
            since=rows[0].seen_at if rows else None,
        )
    ticks = [tick for row in alive if (tick := parse_datetime(str(row.facts.get("ticked_at") or "")))]
    started = min(row.started_at for row in alive)
    ticked = max(ticks, default=started)
    facts = {row.name: f"since {row.started_at:%d %b, %H:%M} UTC; last heard of {_ago(now - row.seen_at)}" for row in alive}
    facts["Last tick"] = _ago(now - ticked)
    if now - ticked > QUIET + ALIVE:
        return health.failing(
            f"Beat lives but has not ticked for {int((now - ticked).total_seconds())} s.",
            "See whether Redis answers; otherwise restart beat.",
            since=ticked,
            facts=facts,
        )
    count = "Beat ticks." if len(alive) == 1 else f"{len(alive)} beats tick; each due time is still taken once."
    return health.ok(count, since=started, facts=facts)


def _ago(span: timedelta) -> str:
    return f"{max(0, int(span.total_seconds()))} s ago"
