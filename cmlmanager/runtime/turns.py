"""Whose turn it is: of ticks that come often, from any number of beats, one an interval is taken."""

from __future__ import annotations

from datetime import datetime, timedelta

from cmlmanager.runtime.models import Turn


def take(job: str, *, interval: float, now: datetime) -> bool:
    """Whether `job`, which runs every `interval` seconds, runs now: its last turn was an interval ago, and nobody else takes this one."""
    last = Turn.objects.filter(job=job).values_list("taken_at", flat=True).first()
    if last is None:
        return Turn.objects.get_or_create(job=job, defaults={"taken_at": now})[1]
    # A clock that was put back must not keep the job waiting.
    if last <= now < last + timedelta(seconds=interval):
        return False
    return bool(Turn.objects.filter(job=job, taken_at=last).update(taken_at=now))
