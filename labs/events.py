"""News of labs leaves here, and only on commit: rendered once, with nothing in it that depends on who looks. Only services call this."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial, update_wrapper
from typing import Any

from django.db import transaction
from django.template.loader import render_to_string

from cmlmanager.live.facts import fact
from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import publish
from cmlmanager.live.telling import tell
from labs.dressing import dressed
from labs.models import Lab

LABS = "labs"
CHANGED = "labs.changed"  # labs came, went or moved from one state to another: lists read themselves again
ON_WORKER = "worker.labs"  # the same on the page of one worker, whose stream has the channel of that worker
CHECKED = "checked"
BATCH = 200
ROW = "labs/components/row.html"


def _after_commit(function: partial[None]) -> None:
    # robust: news must never fail the work that it reports. Django then logs the function's name, which a partial has not.
    transaction.on_commit(update_wrapper(function, function.func), robust=True)


def announce_labs(lab_ids: Iterable[uuid.UUID]) -> None:
    """These labs changed: send their rows. Their pages take the row as the word to read themselves again."""
    ids = list(dict.fromkeys(lab_ids))
    if ids:
        _after_commit(partial(_send_labs, ids))


def _send_labs(ids: list[uuid.UUID]) -> None:
    for start in range(0, len(ids), BATCH):
        labs = dressed(Lab.objects.for_rows().filter(pk__in=ids[start : start + BATCH]))
        rows = [Message(channel=lab.row_id, type=lab.row_id, data=render_to_string(ROW, {"lab": lab})) for lab in labs]
        publish([*rows, *(_on_worker(worker_id) for worker_id in {lab.worker_id for lab in labs if lab.worker_id})])


def _on_worker(worker_id: uuid.UUID) -> Message:
    return Message(channel=f"worker.{worker_id}", type=ON_WORKER, data="")


def announce_membership(*, worker_id: uuid.UUID) -> None:
    """What lists of labs show of this worker changed by more than the rows that they have."""
    _after_commit(partial(publish, [Message(channel=LABS, type=CHANGED, data=""), _on_worker(worker_id)]))


def announce_checked(*, worker_ids: Iterable[uuid.UUID], at: datetime) -> None:
    """The labs of these workers were just read."""
    data = json.dumps({"source": LABS, "workers": [str(pk) for pk in worker_ids], "at": at.isoformat()})
    _after_commit(partial(publish, [Message(channel=LABS, type=CHECKED, data=data)]))


CREATED, REMOVED, RETURNED = "lab.created", "lab.removed", "lab.returned"
STATE_UPDATED, UPDATED = "lab.state.updated", "lab.updated"
STATE_FIELDS = ("state", "state_text", "nodes_running")
FIGURES = ("title", "owner_username", "owner_fullname", "node_count", "link_count", "cml_modified_at")
# These may be long: API clients hear that they changed and ask for them.
_LONG = ("description", "notes", "associations", "topology")


def tell_lab(lab: Lab, kind: str, *, at: datetime) -> None:
    """The lab was seen for the first time (CREATED), is on its worker no more (REMOVED), or is there again (RETURNED)."""
    _tell(lab, kind, at=at, state=lab.state, node_count=lab.node_count)


def tell_lab_changes(lab: Lab, before: Mapping[str, Any], *, at: datetime) -> None:
    """The lab's row was written; `before` holds the former values of the fields that were."""
    after = {name: getattr(lab, name) for name in before}
    moved = _changes(before, after, STATE_FIELDS)
    if moved:
        _tell(lab, STATE_UPDATED, at=at, changes=moved)
    figures = _changes(before, after, FIGURES)
    also = [name for name in _LONG if name in before and before[name] != after[name]]
    if figures or (also and not moved):
        _tell(lab, UPDATED, at=at, changes=figures, also=also)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: {"old": before[name], "new": after[name]} for name in names if name in before and before[name] != after[name]}


def _tell(lab: Lab, kind: str, *, at: datetime, **payload: Any) -> None:
    about = {"id": lab.pk, "title": lab.title, "cml_id": lab.cml_id}
    worker = {"id": lab.worker_id, "name": lab.worker_name}
    topics = ["labs", f"lab.{lab.pk}"] + ([f"worker.{lab.worker_id}"] if lab.worker_id else [])
    tell(fact(kind, at=at, topics=topics, lab=about, worker=worker, **payload))
