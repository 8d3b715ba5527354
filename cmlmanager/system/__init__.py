"""The portal about itself: whether what it stands on is well, and what its periodic jobs do.

`overview()` is the whole of it as plain data, for the API and for commands. Checks are registered in `health`, jobs are those of
settings.CELERY_BEAT_SCHEDULE. Nothing here is done inside a request but reading rows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any


def overview(*, now: datetime | None = None) -> dict[str, Any]:
    """Everything that the system page shows, as JSON-ready data; see `cmlmanager.system.reading.overview`."""
    # Imported here: this package is imported before Django's models can be.
    from cmlmanager.system import reading

    return reading.overview(now=now)
