"""Which jobs are paused, as cheaply as a job that runs every second needs it: read from the database every two seconds at most."""

from __future__ import annotations

import logging
import time

from django.db import DatabaseError

from cmlmanager.system.models import Job

logger = logging.getLogger(__name__)

FRESH = 2.0  # seconds

_known: frozenset[str] = frozenset()
_read_at: float | None = None


def is_paused(name: str) -> bool:
    """Whether the job is paused, as of two seconds ago or later. While the database does not answer, as it was before."""
    global _known, _read_at  # noqa: PLW0603 - one memory a process
    if _read_at is None or time.monotonic() - _read_at >= FRESH:
        try:
            _known = frozenset(Job.objects.filter(paused_at__isnull=False).values_list("pk", flat=True))
        except DatabaseError as error:
            logger.warning("Which jobs are paused could not be read: %s", error)
        _read_at = time.monotonic()
    return name in _known


def forget() -> None:
    """Read again the next time: somebody has just paused or resumed."""
    global _read_at  # noqa: PLW0603
    _read_at = None
