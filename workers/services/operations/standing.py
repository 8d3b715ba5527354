"""Whether something may be asked of a worker as things stand: what the machine's state allows, and what is on its way already."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable

from workers.choices import OperationKind
from workers.models import Operation, Worker
from workers.services.operations import rules
from workers.services.operations.rules import Ruling, Verdict


def on_its_way(workers: Iterable[Worker]) -> dict[uuid.UUID, list[Operation]]:
    """Worker id → its operations in flight. One query."""
    found: dict[uuid.UUID, list[Operation]] = defaultdict(list)
    for operation in Operation.objects.in_flight().filter(worker__in=list(workers)):
        if operation.worker_id:
            found[operation.worker_id].append(operation)
    return found


def standing(kind: OperationKind, worker: Worker, others: Iterable[Operation]) -> Ruling:
    """What asking for `kind` would be answered now, as far as the database knows; `others` are the worker's operations in flight."""
    return among(kind, worker, rules.ruling(kind, worker), rules.slots_in_the_way(kind), others)


def among(kind: OperationKind, worker: Worker, ruling: Ruling, slots: tuple[str, ...], others: Iterable[Operation]) -> Ruling:
    """`ruling`, unless one of `others` in `slots` stands in the way."""
    for other in others:
        if other.slot not in slots:
            continue
        if ruling.verdict != Verdict.ACT or not rules.overtakes(kind, OperationKind(other.kind)):
            return Ruling(
                Verdict.REFUSED, f"{other.doing} {other.subject_name or worker} is on its way, asked by {other.asked_by}."
            )
    return ruling
