"""Which lines a change leaves in the history of a lab."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from labs.models import Lab
from workers.choices import EventKind
from workers.models import Event
from workers.services import record


def lines_of(lab: Lab, before: Mapping[str, Any], *, was_gone: bool, now: datetime) -> list[Event]:
    """The lines of a change: `before` are the former values of the fields that changed, and `state_word`."""
    if was_gone:
        return [line(lab, EventKind.LAB_BACK, now=now, after=lab.state_word)]
    lines = []
    # A first value is part of getting to know the lab, not news.
    if before["state_word"] and lab.state_word != before["state_word"]:
        lines.append(line(lab, EventKind.LAB_STATE, now=now, before=before["state_word"], after=lab.state_word))
    for name, kind in (("title", EventKind.LAB_RENAMED), ("owner_username", EventKind.LAB_OWNER)):
        if before.get(name):
            lines.append(line(lab, kind, now=now, before=before[name], after=getattr(lab, name)))
    return lines


def line(
    lab: Lab,
    kind: EventKind,
    *,
    now: datetime,
    before: str = "",
    after: str = "",
    actor: record.Actor = record.CML,
) -> Event:
    """An unsaved line of the lab's history and its worker's timeline: seen in CML, whoever did it, unless `actor` is known."""
    assert lab.worker is not None  # whose CML told it
    event = record.event_of(lab.worker, kind, actor=actor, now=now, before=before, after=after)
    event.subject_id, event.subject_name = lab.pk, str(lab)[:255]
    return event
