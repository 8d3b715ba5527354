"""What is legal in which machine state: the one table. Buttons, pages, API and steps read it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import Enum

from workers.choices import MachineState, OperationKind, ServiceState
from workers.models import Worker
from workers.services.operations import registry


class Verdict(Enum):
    """ACT: do it. ALREADY: it is so, nothing to do. REFUSED: not now, the sentence says why."""

    ACT = "act"
    ALREADY = "already"
    REFUSED = "refused"


@dataclass(frozen=True)
class Ruling:
    """The verdict and, unless it is ACT, the sentence for the person."""

    verdict: Verdict
    sentence: str = ""


_S = MachineState
_LEGAL = {
    OperationKind.START: {_S.STOPPED},
    OperationKind.STOP: {_S.RUNNING},
    OperationKind.TERMINATE: {_S.PENDING, _S.RUNNING, _S.STOPPING, _S.STOPPED, _S.LOST, _S.FAILED},
    OperationKind.TAG: {_S.PENDING, _S.RUNNING, _S.STOPPING, _S.STOPPED},
    OperationKind.MONITOR: {_S.PENDING, _S.RUNNING, _S.STOPPING, _S.STOPPED},
}
_ALREADY = {
    OperationKind.START: {_S.PENDING, _S.RUNNING},
    OperationKind.STOP: {_S.STOPPING, _S.STOPPED},
    OperationKind.TERMINATE: {_S.SHUTTING_DOWN, _S.TERMINATED},
}
_WHY = {
    (OperationKind.START, _S.STOPPING): "is still stopping; try again when it has stopped",
    (OperationKind.STOP, _S.PENDING): "is still starting; try again when it runs",
}
_WHY_STATE = {
    _S.SHUTTING_DOWN: "is being terminated",
    _S.TERMINATED: "is terminated",
    _S.FAILED: "could not be created, so there is no machine",
    _S.LOST: "is lost: EC2 does not know its instance",
}


def ruling(kind: OperationKind, worker: Worker, subject_id: uuid.UUID | None = None) -> Ruling:
    """Whether `kind` may be done with `worker` now, or with something on it."""
    other = registry.registered(kind)
    if other is not None:
        return other.ruling(worker, subject_id)
    state = worker.machine
    if kind in LICENSING:
        return _licensing_ruling(worker)
    if state in _LEGAL[kind]:
        return Ruling(Verdict.ACT)
    if state in _ALREADY.get(kind, ()):
        return Ruling(Verdict.ALREADY, f"{worker} is already {state.label.lower()}; there is nothing to do.")
    why = _WHY.get((kind, state)) or _WHY_STATE.get(state) or f"is {state.label.lower()}"
    return Ruling(Verdict.REFUSED, f"{worker} {why}.")


# Asked of CML, not of EC2: legal when the machine runs and CML is up, with a fault too.
LICENSING = frozenset({OperationKind.REGISTER, OperationKind.RENEW, OperationKind.DEREGISTER, OperationKind.LICENSE})


def _licensing_ruling(worker: Worker) -> Ruling:
    return cml_ruling(worker, needs="a licence is changed by CML itself, which must be ready")


def cml_ruling(worker: Worker, *, needs: str) -> Ruling:
    """Whether its CML can be asked to do something, with the gate that is shut; `needs` says why that matters."""
    if worker.machine != _S.RUNNING:
        why = _WHY_STATE.get(worker.machine) or f"is {worker.machine.label.lower()}"
        return Ruling(Verdict.REFUSED, f"{worker} {why}; {needs}.")
    if worker.service not in {ServiceState.READY, ServiceState.DEGRADED}:
        word = "has not been asked yet" if worker.service == ServiceState.UNKNOWN else f"is {worker.service.label.lower()}"
        reason = " ".join(str(reason) for reason in worker.service_reasons[:1])
        return Ruling(Verdict.REFUSED, f"{worker} runs, but its CML {word}; {needs}. {reason}".rstrip())
    return Ruling(Verdict.ACT)


def seat_is_at_stake(worker: Worker) -> bool:
    """Whether terminating `worker` would take a seat with it, unless CML gives it back before."""
    return worker.holds_seat and worker.machine in {_S.PENDING, _S.RUNNING, _S.STOPPING, _S.STOPPED}


def labs_are_at_stake(worker: Worker) -> bool:
    """Whether terminating `worker` would take labs with it, as far as is known: its CML has told of its labs at least once."""
    known = worker.labs_succeeded_at is not None
    return known and worker.machine in {_S.PENDING, _S.RUNNING, _S.STOPPING, _S.STOPPED}


def can_give_back(worker: Worker) -> bool:
    """Whether its CML can be asked to."""
    return worker.machine == _S.RUNNING


def may_delete_record(worker: Worker, *, keep_instance: bool) -> Ruling:
    """Whether the row may go: nothing is behind it, or the person says that the instance is to be kept running unmanaged."""
    if worker.machine in {_S.TERMINATED, _S.FAILED, _S.LOST}:
        return Ruling(Verdict.ACT)
    if worker.machine == _S.PENDING and not worker.instance_id:
        return Ruling(
            Verdict.REFUSED, f"{worker} is being created: an instance may be on its way. Wait until EC2 has answered."
        )
    if keep_instance and worker.machine != _S.PENDING:
        return Ruling(Verdict.ACT)
    if worker.machine == _S.PENDING:
        return Ruling(Verdict.REFUSED, f"{worker} is still starting; delete its record when it runs, or terminate it.")
    return Ruling(
        Verdict.REFUSED,
        f"{worker} still has an instance that is being paid for. Terminate it, or say that the instance is to be kept.",
    )


# A machine's life: one of these at a time. A tag may be changed while a machine starts.
SLOTS = {
    OperationKind.CREATE: "life",
    OperationKind.START: "life",
    OperationKind.STOP: "life",
    OperationKind.TERMINATE: "life",
    OperationKind.TAG: "tags",
    OperationKind.MONITOR: "monitoring",
    OperationKind.LOOK: "look",
    OperationKind.LAB_BACKUP: "save",  # of all labs of a worker, or of some
    **dict.fromkeys(LICENSING, "seat"),
}


def slots_in_the_way(kind: OperationKind, slot: str = "") -> tuple[str, ...]:
    """What must not be going on with the worker when `kind` is asked for: a licence is not changed on a machine that comes or goes.

    The other way round a machine's life goes on; a terminate waits by itself for the licence's operation to end. `slot` is that of
    something on the worker.
    """
    other = registry.registered(kind)
    if other is not None:
        return (*other.in_the_way, slot)
    return ("life", "seat") if kind in LICENSING else (SLOTS[kind],)


# The states that an operation brings about itself: EC2 saying so later is no change from outside.
EXPECTED = {
    OperationKind.CREATE: {_S.PENDING, _S.RUNNING},
    OperationKind.START: {_S.PENDING, _S.RUNNING},
    OperationKind.STOP: {_S.STOPPING, _S.STOPPED},
    OperationKind.TERMINATE: {_S.SHUTTING_DOWN, _S.TERMINATED},
}


def overtakes(kind: OperationKind, other: OperationKind) -> bool:
    """Whether asking for `kind` ends an operation `other` in flight. Terminating ends all; stopping ends the wait for a start."""
    registered = registry.registered(kind)
    if registered is not None:
        return other in registered.overtakes
    if kind == OperationKind.TERMINATE:
        return other != OperationKind.TERMINATE
    return kind == OperationKind.STOP and other in {OperationKind.START, OperationKind.CREATE}
