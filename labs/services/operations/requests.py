"""Somebody asks for something to be done with a lab, or with many."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from labs.models import Lab
from labs.services.operations import tasks
from workers.choices import OperationKind
from workers.models import Operation
from workers.services import labs_known
from workers.services.operations import asking, bulk
from workers.services.operations.asking import Asker, Subject, UnableToAsk
from workers.services.operations.bulk import UnableToAskMany

MOST = 500  # labs at once
AT_ONCE = tasks.AT_ONCE
MANY = (OperationKind.LAB_START, OperationKind.LAB_STOP, OperationKind.LAB_BACKUP)


def subject_of(lab: Lab) -> Subject:
    """The lab, as an operation names it."""
    return Subject(id=lab.pk, name=str(lab), slot=lab.slot)


def ask(
    *,
    kind: OperationKind,
    lab: Lab,
    by: Asker,
    now: datetime,
    batch: uuid.UUID | None = None,
    due_at: datetime | None = None,
    unsaved: bool = False,
) -> Operation:
    """Record an operation on `lab`; with `unsaved` it goes on when the lab cannot be saved first. Raises UnableToAsk.

    What is so already as far as the portal knows may have changed in CML since: then its labs are read again, and a second try is answered right.
    """
    if lab.worker is None:
        raise UnableToAsk(f"{lab} is gone: its worker was deleted.")
    try:
        subject, parameters = subject_of(lab), {"unsaved": True} if unsaved else None
        return asking.ask(
            kind=kind, worker=lab.worker, by=by, now=now, subject=subject, parameters=parameters, batch=batch, due_at=due_at
        )
    except UnableToAsk as refusal:
        if refusal.already:
            labs_known.ask_for_reading(worker_id=lab.worker.pk, now=now)
        raise


def ask_many(*, kind: OperationKind, labs: Iterable[Lab], by: Asker, now: datetime) -> uuid.UUID:
    """Ask for `kind` of every lab, all or none recorded; returns the batch that the operations share. Raises UnableToAskMany.

    One that is refused at once is recorded too, ended. One CML gets a few at once: the others wait for their turn in their first step.
    """
    # In one order, so that two people who ask for overlapping ones never wait for each other.
    chosen = sorted(labs, key=lambda lab: (str(lab.worker_id), lab.pk))
    if not chosen:
        raise UnableToAskMany("No lab was selected.")
    if len(chosen) > MOST:
        raise UnableToAskMany(f"{len(chosen)} labs are more than can be asked of at once; at most {MOST} can.")
    if kind not in MANY:
        raise UnableToAskMany(f"{kind.label} cannot be asked of many labs at once.")
    batch = uuid.uuid4()
    with transaction.atomic():
        for lab in chosen:
            try:
                ask(kind=kind, lab=lab, by=by, now=now, batch=batch)
            except UnableToAsk as refusal:
                _keep(refusal, kind, lab, by, now=now, batch=batch)
    return batch


def _keep(refusal: UnableToAsk, kind: OperationKind, lab: Lab, by: Asker, *, now: datetime, batch: uuid.UUID) -> None:
    if lab.worker is not None:
        bulk.keep_refusal(
            refusal, kind=kind, worker=lab.worker, by=by, now=now, parameters={}, batch=batch, subject=subject_of(lab)
        )


def retry(ended: list[Operation], by: Asker, now: datetime) -> uuid.UUID:
    """Ask again for what failed or was refused. Raises UnableToAskMany when none of their labs is there any more."""
    labs = Lab.objects.filter(pk__in=[one.subject_id for one in ended if one.subject_id]).select_related("worker")
    return ask_many(kind=OperationKind(ended[0].kind), labs=labs, by=by, now=now)
