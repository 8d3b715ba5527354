"""Somebody asks for a backup, a restore, or that a version be kept for ever."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from labs import events
from labs.models import Lab, LabVersion
from labs.services.operations import importing
from labs.services.operations.requests import subject_of
from workers.choices import OperationKind
from workers.models import Operation, Worker
from workers.services.operations import asking
from workers.services.operations.asking import Asker, UnableToAsk

LONGEST_NOTE = 500


def ask_backup(*, lab: Lab, by: Asker, now: datetime, note: str = "", extract: bool = False) -> Operation:
    """Ask for a version of `lab` as it is now; with `extract`, running configurations are read first. Raises UnableToAsk."""
    if lab.worker is None:
        raise UnableToAsk(f"{lab} is gone: its worker was deleted.")
    parameters = _parameters(note, extract)
    return asking.ask(
        kind=OperationKind.LAB_BACKUP, worker=lab.worker, by=by, now=now, subject=subject_of(lab), parameters=parameters
    )


def ask_worker_backup(
    *, worker: Worker, by: Asker, now: datetime, labs: Iterable[uuid.UUID] | None = None, note: str = "", extract: bool = False
) -> Operation:
    """Ask for a version of every lab on `worker`, or of `labs` on it. Raises UnableToAsk."""
    parameters = _parameters(note, extract) | ({} if labs is None else {"labs": [str(pk) for pk in labs]})
    return asking.ask(kind=OperationKind.LAB_BACKUP, worker=worker, by=by, now=now, parameters=parameters)


def _parameters(note: str, extract: bool) -> dict[str, Any]:
    return {"note": " ".join(note.split())[:LONGEST_NOTE], "extract": extract}


def ask_restore(
    *, version: LabVersion, worker: Worker, title: str, by: Asker, now: datetime, without_images: bool = False
) -> Operation:
    """Ask for a new lab on `worker` of `version`, named `title` ("": as the lab was). Raises UnableToAsk for what that CML would not read.

    The lab that the version is of, if it is still there, stays as it is.
    """
    whence = f"The version of {version.at:%Y-%m-%d %H:%M} UTC of {version.title or version.lab} on {version.lab.worker_name}."
    by = replace(by, reason=f"{whence} {by.reason}".strip()[:500])
    return importing.ask_import(
        worker=worker,
        text=version.content.text,
        title=title or version.title,
        by=by,
        now=now,
        without_images=without_images,
        kind=OperationKind.LAB_RESTORE,
    )


def pin(*, version: LabVersion, pinned: bool) -> bool:
    """Have retention leave `version` alone, or not any more; returns whether that is news."""
    changed = bool(LabVersion.objects.filter(pk=version.pk).exclude(pinned=pinned).update(pinned=pinned))
    if changed:
        events.announce_labs([version.lab_id])
    return changed
