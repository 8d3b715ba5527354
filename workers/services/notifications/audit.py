"""Lines of the audit about targets: their names, never their addresses."""

from __future__ import annotations

from datetime import datetime

from workers.choices import EventKind
from workers.models import Event
from workers.services.record import Actor


def note(
    kind: EventKind,
    *,
    actor: Actor,
    now: datetime,
    before: str = "",
    after: str = "",
    detail: str = "",
    from_address: str | None = None,
) -> None:
    """Write one line that belongs to no worker."""
    Event.objects.create(
        at=now,
        kind=kind,
        actor_kind=actor.kind,
        actor=actor.user,
        actor_name=actor.name[:150],
        before=before[:500],
        after=after[:500],
        detail=detail[:500],
        from_address=from_address,
    )
