"""What the engine is told of versions: two kinds of its own, and the saving that comes before what could lose a lab."""

from __future__ import annotations

import uuid
from datetime import datetime

from labs import events
from labs.choices import LabVersionReason
from labs.models import Lab
from labs.services.operations import kinds as lab_kinds
from labs.services.operations import requests
from labs.services.operations import rules as lab_rules
from labs.services.versions import saving
from workers import events as worker_events
from workers.choices import OperationKind
from workers.models import Operation, Worker
from workers.services.operations import rules
from workers.services.operations.registry import Kind, register, register_before, registered
from workers.services.operations.rules import Ruling, Verdict
from workers.services.operations.steps import Stopped

K, R = OperationKind, LabVersionReason
_SAVE = "Save its topology first"


def register_all() -> None:
    """Called once, when the app is ready, after the kinds of labs."""
    steps = (
        ("turn", "Its turn on this CML", saving.turn),
        ("list", "See which labs there are", saving.list_labs),
        ("extract", "Read running configurations", saving.extract),
        ("save", "Fetch and keep each lab", saving.save),
    )
    backup = Kind(
        permission=lab_kinds.OPERATE,
        steps=steps,
        ruling=_ruling,
        succeeded=saving.succeeded,
        ended=_ended,
        announce=_announce,
        noun="lab",
        retry=requests.retry,
    )
    register(K.LAB_BACKUP, backup)
    imported = registered(K.LAB_IMPORT)
    assert imported is not None
    register(K.LAB_RESTORE, imported)
    for kind, why, done in (
        (K.LAB_STOP, R.BEFORE_STOP, ""),
        (K.LAB_WIPE, R.BEFORE_WIPE, "wiped"),
        (K.LAB_DELETE, R.BEFORE_DELETE, "deleted"),
    ):
        register_before(kind, "stop", (("save", _SAVE, saving.before(why, done)),))
    register_before(K.STOP, "stop", (("save_labs", "Save its labs", saving.before_stop),))
    register_before(K.TERMINATE, "labs", (("save_labs", "Save its labs", saving.before_terminate),))


def _ruling(worker: Worker, lab_id: uuid.UUID | None) -> Ruling:
    if lab_id is not None:
        lab = Lab.objects.filter(pk=lab_id, worker=worker).first()
        if lab is None:
            return Ruling(Verdict.REFUSED, "The portal knows this lab no more.")
        lab.worker = worker
        return lab_rules.ruling_of(K.LAB_BACKUP, lab)
    return rules.cml_ruling(worker, needs="labs are saved by CML itself, which must be ready")


def _ended(operation: Operation, stopped: Stopped | None, now: datetime) -> None:
    """What was remembered of the work in between is needed no more; the numbers and the failures stay."""
    for name in ("labs", "nodes", "done", "silent", "list_tries"):
        operation.result.pop(name, None)
    Operation.objects.filter(pk=operation.pk).update(result=operation.result)


def _announce(operation: Operation) -> None:
    if operation.subject_id:
        events.announce_labs([operation.subject_id])
    elif operation.worker_id:
        worker_events.announce_workers([operation.worker_id])
        events.announce_membership(worker_id=operation.worker_id)
