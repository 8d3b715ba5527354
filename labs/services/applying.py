"""How an answer about a worker's labs becomes rows and lines in their history: all of it in one transaction, or nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from cmlmanager import runtime
from labs import events
from labs.models import Lab, LabsCheck
from labs.services import story, tiles
from labs.services.reading import Reading
from workers.choices import EventKind
from workers.clients import cml
from workers.models import Event, Worker
from workers.services import labs_known

logger = logging.getLogger(__name__)


def apply(
    worker: Worker,
    found: Mapping[str, cml.Lab],
    reading: Reading,
    *,
    asked_at: datetime,
    claimed_until: datetime,
    now: datetime,
) -> int:
    """Write what changed; returns how many labs did. An answer about a machine that was stopped meanwhile counts no more, and one that was
    asked for at `asked_at` brings back no lab that was deleted since."""
    with transaction.atomic():
        current = Worker.objects.select_for_update().filter(pk=worker.pk).first()
        if current is None or current.machine_state != worker.machine_state:
            return 0
        known = {lab.cml_id: lab for lab in Lab.objects.select_for_update().filter(worker=current)}
        deleted = {lab.cml_id for lab in known.values() if lab.gone_at is not None and lab.gone_at >= asked_at}
        lines: list[Event] = []
        new = [_new(current, tile, lines, now=now) for cml_id, tile in found.items() if cml_id not in known]
        Lab.objects.bulk_create(new)
        for lab in new:
            events.tell_lab(lab, events.CREATED, at=now)
        changed = [
            lab.pk
            for cml_id, lab in known.items()
            if cml_id in found and cml_id not in deleted and _change(lab, current, found[cml_id], lines, now=now)
        ]
        gone = [lab.pk for lab in known.values() if lab.cml_id in reading.gone and _mark_gone(lab, current, lines, now=now)]
        Event.objects.bulk_create(lines)
        there = [lab for lab in [*known.values(), *new] if lab.gone_at is None]
        running = sum(lab.state == "STARTED" for lab in there)
        labs_known.keep_counts(worker=current, total=len(there), running=running, now=now)
        # After half an answer they are due again as when there was none.
        due_at = claimed_until if reading.problem else now + timedelta(seconds=runtime.value("LABS_INTERVAL"))
        labs_known.mark_read(worker_ids=[current.pk], claimed_until=claimed_until, due_at=due_at, at=now)
        _note(current, reading.problem, now=now)
        events.announce_labs([*(lab.pk for lab in new), *changed, *gone])
        if new or lines:
            events.announce_membership(worker_id=current.pk)
        events.announce_checked(worker_ids=[current.pk], at=now)
    return len(new) + len(changed) + len(gone)


def note_problem(worker: Worker, sentence: str, *, now: datetime) -> None:
    """The labs of `worker` could not be read: keep all that is known, and say so."""
    with transaction.atomic():
        if Worker.objects.select_for_update().filter(pk=worker.pk, machine_state=worker.machine_state).exists():
            _note(worker, sentence, now=now)


def _note(worker: Worker, sentence: str, *, now: datetime) -> None:
    sentence = sentence[:500]
    check = LabsCheck.objects.filter(worker=worker).first()
    if (check.error if check else "") == sentence:
        return
    if not sentence:
        LabsCheck.objects.filter(worker=worker).delete()
    elif check:
        LabsCheck.objects.filter(worker=worker).update(error=sentence)
    else:
        LabsCheck.objects.create(worker=worker, failing_since=now, error=sentence)
        logger.warning("The labs of %s cannot be read: %s", worker, sentence)
    events.announce_membership(worker_id=worker.pk)


def _fields(tile: cml.Lab, worker: Worker) -> dict[str, Any]:
    """What `tile` tells; of an odd one, the digest of the last whole one stays."""
    fields = tiles.told(tile) | {"worker_name": str(worker)[:255]}
    return fields if tiles.is_odd(tile) else fields | {"digest": tiles.digest_of(tile)}


def _new(worker: Worker, tile: cml.Lab, lines: list[Event], *, now: datetime) -> Lab:
    lab = Lab(worker=worker, cml_id=tile.lab_id, first_seen_at=now, last_seen_at=now, state_since=now)
    for name, value in _fields(tile, worker).items():
        setattr(lab, name, value)
    if worker.labs_succeeded_at is not None:  # all labs of a worker just met are no news
        lines.append(story.line(lab, EventKind.LAB_SEEN, now=now, after=lab.state_word))
    return lab


def _change(lab: Lab, worker: Worker, tile: cml.Lab, lines: list[Event], *, now: datetime) -> bool:
    """Write what `tile` says otherwise than `lab` does; returns whether anything was."""
    changes = {name: value for name, value in _fields(tile, worker).items() if getattr(lab, name) != value}
    was_gone = lab.gone_at is not None
    if was_gone:
        changes["gone_at"] = None
    if not changes.keys() - {"digest"}:
        if changes:  # it tells less than before, or in another way
            Lab.objects.filter(pk=lab.pk).update(**changes)
        return False
    before = {name: getattr(lab, name) for name in changes} | {"state_word": lab.state_word}
    if "state" in changes or "state_text" in changes:
        changes["state_since"] = now
    changes["last_seen_at"] = now
    for name, value in changes.items():
        setattr(lab, name, value)
    Lab.objects.filter(pk=lab.pk).update(**changes)
    lines += story.lines_of(lab, before, was_gone=was_gone, now=now)
    if was_gone:
        events.tell_lab(lab, events.RETURNED, at=now)
    events.tell_lab_changes(lab, {name: before[name] for name in changes if name in before}, at=now)
    return True


def _mark_gone(lab: Lab, worker: Worker, lines: list[Event], *, now: datetime) -> bool:
    if lab.gone_at is not None:
        return False
    lab.gone_at = now
    lab.last_seen_at = worker.labs_succeeded_at or lab.last_seen_at
    Lab.objects.filter(pk=lab.pk).update(gone_at=lab.gone_at, last_seen_at=lab.last_seen_at)
    lines.append(story.line(lab, EventKind.LAB_GONE, now=now, before=lab.state_word))
    events.tell_lab(lab, events.REMOVED, at=now)
    return True
