"""Lines of the timeline and of the audit about alerts."""

from __future__ import annotations

from datetime import datetime

from workers.choices import EventKind
from workers.models import Alert, Event
from workers.services import record


def event_of(
    alert: Alert,
    kind: EventKind,
    *,
    now: datetime,
    before: str = "",
    after: str = "",
    detail: str = "",
    actor: record.Actor = record.SYSTEM,
    from_address: str | None = None,
) -> Event:
    """An unsaved line about `alert`. Its worker's row may be gone already; the alert knows its name."""
    words = f"{alert.get_kind_display()} – {detail}" if detail else alert.get_kind_display()
    return Event(
        at=now,
        kind=kind,
        worker_id=alert.worker_id,
        worker_name=alert.worker_name,
        alert=alert,
        actor_kind=actor.kind,
        actor=actor.user,
        actor_name=actor.name[:150],
        from_address=from_address,
        before=before[:500],
        after=after[:500],
        detail=words[:500],
    )
