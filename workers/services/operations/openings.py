"""What somebody may ask of a worker, and what stands in the way now."""

from __future__ import annotations

from collections.abc import Sequence

from accounts.models import User
from workers.choices import OperationKind
from workers.models import Operation, Worker
from workers.services.operations import rules
from workers.services.operations.standing import standing

# Name → the permission that it needs and the kind of operation; what a licence or a lab may be asked has tables of its own.
ASKABLE = {
    "start": ("workers.start_worker", OperationKind.START),
    "stop": ("workers.stop_worker", OperationKind.STOP),
    "tags": ("workers.tag_worker", OperationKind.TAG),
    "monitoring": ("workers.monitor_worker", OperationKind.MONITOR),
    "terminate": ("workers.terminate_worker", OperationKind.TERMINATE),
}


def openings(worker: Worker, others: Sequence[Operation], user: User) -> dict[str, str]:
    """Name → the sentence that shuts it, or "" when it is open; only what `user` may ever ask. `others`: the worker's operations in flight."""
    found = {
        name: standing(kind, worker, others).sentence
        for name, (permission, kind) in ASKABLE.items()
        if user.has_perm(permission)
    }
    if user.has_perm("workers.delete_worker"):
        found["delete"] = why_not_delete(worker, others)
    return found


def why_not_delete(worker: Worker, others: Sequence[Operation]) -> str:
    """Why its record cannot be deleted now, not even with its instance kept; "" when it can."""
    if others:
        return f"{others[0].doing} {others[0].subject_name or worker} is on its way, asked by {others[0].asked_by}."
    return rules.may_delete_record(worker, keep_instance=True).sentence
