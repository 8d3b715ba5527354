"""Which jobs are paused, as cheaply as a job that runs every second needs it: read from the database every two seconds at most."""

from __future__ import annotations

import logging
import time

from django.db import DatabaseError

from cmlmanager.system.models import Job

logger = logging.getLogger(__name__)

FRESH = 2.0  # seconds

_known: dict[str, str] = {}  # job → who paused it, and why
_read_at: float | None = None


def is_paused(name: str) -> bool:
    """Whether the job is paused, as of two seconds ago or later. While the database does not answer, as it was before."""
    return name in _now_known()


def why(name: str) -> str:
    """Who paused the job and why: "by ada: exam week"; "" while it is not paused."""
    return _now_known().get(name, "")


def _now_known() -> dict[str, str]:
    global _known, _read_at  # noqa: PLW0603 - one memory a process
    if _read_at is None or time.monotonic() - _read_at >= FRESH:
        try:
            paused = Job.objects.filter(paused_at__isnull=False).values_list("pk", "paused_name", "pause_reason")
            _known = {name: f"by {person or 'somebody'}: {reason.rstrip('.')}" for name, person, reason in paused}
        except DatabaseError as error:
            logger.warning("Which jobs are paused could not be read: %s", error)
        _read_at = time.monotonic()
    return _known


def forget() -> None:
    """Read again the next time: somebody has just paused or resumed."""
    global _read_at  # noqa: PLW0603
    _read_at = None
