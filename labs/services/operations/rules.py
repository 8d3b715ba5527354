"""What may be done with a lab as things stand: the one table. Buttons, pages and steps read it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from labs.choices import LabState
from labs.models import Lab
from workers.choices import OperationKind
from workers.models import Operation, Worker
from workers.services.operations import rules, standing
from workers.services.operations.rules import Ruling, Verdict

K = OperationKind
_NEEDS = "a lab is changed by CML itself, which must be ready"
_ALREADY = {
    K.LAB_STOP: {LabState.STOPPED.value: "is stopped already", LabState.DEFINED.value: "does not run"},
    K.LAB_WIPE: {LabState.DEFINED.value: "has no disks to wipe"},
}


def ruling_of(kind: OperationKind, lab: Lab) -> Ruling:
    """Whether `kind` may be done with `lab` now: the lab is there, its CML can be asked, and it is not so already."""
    if lab.gone_at is not None or lab.worker is None:
        return Ruling(Verdict.REFUSED, f"{lab} is gone: CML on {lab.worker_name or 'its worker'} no longer has it.")
    gate = rules.cml_ruling(lab.worker, needs=_NEEDS)
    if gate.verdict != Verdict.ACT:
        return gate
    word = _ALREADY.get(kind, {}).get(lab.state) or ("runs already" if kind == K.LAB_START and _all_run(lab) else "")
    return Ruling(Verdict.ALREADY, f"{lab} {word}; there is nothing to do.") if word else Ruling(Verdict.ACT)


def _all_run(lab: Lab) -> bool:
    """Whether a start would find nothing to start: a lab of which only some nodes run can be started."""
    return lab.state == LabState.STARTED and lab.nodes_running is not None and lab.nodes_running == lab.node_count


def ruling(kind: OperationKind, worker: Worker, lab_id: uuid.UUID | None) -> Ruling:
    """The same, of the lab as it is in the database now. Inside a transaction it stays so until that ends."""
    lab = Lab.objects.select_for_update().filter(pk=lab_id, worker=worker).first() if lab_id else None
    if lab is None:
        return Ruling(Verdict.REFUSED, "The portal knows this lab no more.")
    lab.worker = worker
    return ruling_of(kind, lab)


def import_ruling(worker: Worker) -> Ruling:
    """Whether a lab may be brought to `worker` now."""
    return rules.cml_ruling(worker, needs=_NEEDS)


def standing_of(kind: OperationKind, lab: Lab, others: Iterable[Operation]) -> Ruling:
    """What asking for `kind` would be answered now, as far as the database knows; `others` are its worker's operations in flight."""
    found = ruling_of(kind, lab)
    if lab.worker is None:
        return found
    return standing.among(kind, lab.worker, found, rules.slots_in_the_way(kind, lab.slot), others)
