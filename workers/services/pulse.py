"""The heartbeat that crosses the whole path: beat, Celery worker, Redis, stream, page."""

from __future__ import annotations

from datetime import datetime

from workers import events


def beat(*, now: datetime) -> None:
    """Send one heartbeat to every open page."""
    events.announce_heartbeat(at=now)
