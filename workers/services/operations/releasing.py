"""Giving a licence's seat back: by itself, and before a worker is terminated.

What CML answers to a deregistration is known only once: 204, the seat is free; 202, nobody knows. So before it is asked the operation
remembers that it asks, and when the answer is lost, the seat is in doubt.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from workers.clients import cml
from workers.license_choices import SeatDoubt
from workers.models import Operation, Worker
from workers.services.licenses import details, seats
from workers.services.operations import asking, licensing, rules
from workers.services.operations.steps import Done, Outcome, Stopped, Task, Wait

POLL = 3  # seconds between looks at what still runs
LABS_WITHIN = timedelta(minutes=5)
LABS_WITHIN_GIVEN_UP = timedelta(minutes=1)  # when the terminate goes on in any case


# ── An operation of its own ────────────────────────────────────────────────────────────────────────────────────────
def stop_labs(task: Task) -> Outcome:
    """Stop what runs, if that was asked for: CML keeps its licence while nodes run."""
    licensing.up(task)
    if not task.operation.parameters.get("stop_labs"):
        return Done("Not asked for.")
    return _stop_labs(task, within=LABS_WITHIN)


def release(task: Task) -> Outcome:
    """Ask CML to give the seat back."""
    worker = licensing.up(task)
    try:
        return _deregister(task)
    except cml.CmlNodesRunning as error:
        if task.operation.parameters.get("stop_labs") and not task.is_last_attempt:
            error.retryable = True  # nodes that were stopped take a moment
            raise
        raise Stopped(_nodes_run(worker.nodes_running, str(worker)), detail=error.detail, nothing_done=True) from None
    except cml.CmlError as error:
        raise licensing.from_cml(task, error) from None


def ended(operation: Operation, took: str) -> str:
    """The sentence of a deregistration that came to its end."""
    worker, result = operation.worker_name, operation.result
    if result.get("doubt"):
        why = SeatDoubt(result["doubt"])
        if why == SeatDoubt.UNCONFIRMED:
            return (
                f"{worker} removed its licence, but Cisco’s server was not reached: the seat may still be taken. "
                "It is listed as doubtful under Licences."
            )
        return (
            f"{worker} is deregistered, but CML’s answer was lost, so Cisco may not have been told: the seat may still be taken. "
            "It is listed as doubtful under Licences."
        )
    if result.get("outcome") == cml.Deregistration.ALREADY.value:
        return f"{worker} was already deregistered; nothing was done."
    return f"{worker} gave its licence back after {took}: the seat is free."


def give_up(operation: Operation, *, now: datetime) -> None:
    """An operation ended while nobody knew whether CML had done what it was asked: the seat is in doubt until CML is read again."""
    result = operation.result
    if operation.worker is None or result.get("outcome") or not result.get("sent_at"):
        return
    actor = asking.actor_of(operation)
    seats.flag(worker=operation.worker, doubt=SeatDoubt.ANSWER_LOST, now=now, actor=actor, operation=operation)


# ── Before a terminate ─────────────────────────────────────────────────────────────────────────────────────────────
def stop_labs_before_end(task: Task) -> Outcome:
    """Stop the running labs of a worker that holds a seat, so that CML can give it back."""
    gate = _gate(task)
    if gate is not None:
        return gate
    within = LABS_WITHIN_GIVEN_UP if _gives_up(task) else LABS_WITHIN
    try:
        return _stop_labs(task, within=within)
    except (cml.CmlError, Stopped) as error:
        return _go_on_without(task, error)


def release_before_end(task: Task) -> Outcome:
    """Give the seat back while somebody can still be asked."""
    gate = _gate(task)
    if gate is not None:
        return gate
    try:
        return _deregister(task)
    except (cml.CmlError, Stopped) as error:
        return _go_on_without(task, error)


def _gives_up(task: Task) -> bool:
    return bool(task.operation.parameters.get("give_up_seat"))


def _gate(task: Task) -> Outcome | None:
    """Why there is nothing to ask CML for; None when there is. Raises Stopped when it would have to be asked and cannot."""
    worker = task.worker
    if task.operation.result.get("outcome"):
        return Done("The licence is released already.")
    if not worker.holds_seat:
        return Done("No licence is registered on it.")
    if not rules.seat_is_at_stake(worker):
        return Done("There is no machine that could be asked.")
    if not rules.can_give_back(worker):
        state = worker.machine.label.lower()
        if _gives_up(task):
            task.operation.result |= {"doubt": SeatDoubt.STOPPED.value}
            return Done(f"It is {state}: its CML cannot be asked, and the seat stays taken.")
        raise Stopped(
            f"{worker} is {state}, so its CML cannot give its licence back. Start it first, "
            "or terminate it and say that its seat may stay taken.",
            nothing_done=True,
        )
    other = Operation.objects.in_flight().filter(worker=worker, kind__in=rules.LICENSING).first()
    return Wait(POLL, f"{other.doing} is on its way.") if other else None


def _go_on_without(task: Task, error: cml.CmlError | Stopped) -> Outcome:
    """An error on the way to the release: tried again, then the end of the operation, or passed over if the person chose so."""
    if isinstance(error, cml.CmlConflict | cml.CmlNodesRunning):
        error.retryable = True  # what is busy ends, and nodes that were stopped take a moment
    may_pass = isinstance(error, cml.CmlError) and error.retryable
    if may_pass and not (task.is_last_attempt or (_gives_up(task) and task.operation.attempts)):
        raise error
    if _gives_up(task):
        doubt = task.operation.result.get("doubt") or _doubt_of(task, error).value
        task.remember(doubt=doubt, doubt_detail=error.sentence[:500])
        return Done(f"Not released, and passed over as asked: {error.sentence}")
    sentence = (
        f"{task.worker} was not terminated, because its licence could not be released. {error.sentence} "
        "Try again later, or terminate it and say that its seat may stay taken."
    )
    raise Stopped(sentence, detail=error.detail)


def _doubt_of(task: Task, error: cml.CmlError | Stopped) -> SeatDoubt:
    if isinstance(error, cml.CmlConflict):
        return SeatDoubt.BUSY
    if task.operation.result.get("sent_at"):
        return SeatDoubt.ANSWER_LOST
    silent = isinstance(error, cml.CmlUnreachable | cml.CmlNotReady)
    return SeatDoubt.UNREACHABLE if silent else SeatDoubt.REFUSED


# ── Shared ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _stop_labs(task: Task, *, within: timedelta) -> Outcome:
    """Ask once for each running lab, then wait until none runs."""
    running = [lab for lab in task.cml.lab_tiles() if lab.state == "STARTED"]
    asked = list(task.operation.result.get("stopped_labs", []))
    if not running:
        if asked:
            Worker.objects.filter(pk=task.worker.pk).update(labs_due_at=None, cml_due_at=task.now)
        return Done(f"{len(asked)} stopped" if asked else "None runs.")
    if task.lasted() > within:
        names = ", ".join(lab.title or lab.lab_id for lab in running[:5])
        raise Stopped(f"{len(running)} of its labs still run after {within.total_seconds() / 60:.0f} min: {names}.")
    for lab in running:
        if lab.lab_id not in asked:
            task.cml.stop_lab(lab.lab_id)
            asked.append(lab.lab_id)
            task.remember(stopped_labs=asked)
    return Wait(POLL, f"{len(running)} still {'runs' if len(running) == 1 else 'run'}")


def _deregister(task: Task) -> Outcome:
    """Ask, and write what was answered: the worker's licence, the doubt if there is one, the outcome, all at once."""
    was_lost = bool(task.operation.result.get("sent_at"))
    if not task.remember(sent_at=task.operation.result.get("sent_at") or task.now.isoformat()):
        raise Stopped("Somebody else goes on with this.")
    try:
        outcome = task.cml.deregister_license()
    except cml.CmlError as error:
        if not was_lost and not error.maybe_done:
            task.remember(sent_at="")
        raise
    doubt = SeatDoubt.UNCONFIRMED if outcome == cml.Deregistration.UNCONFIRMED else None
    if outcome == cml.Deregistration.ALREADY and was_lost:
        doubt = SeatDoubt.ANSWER_LOST
    _keep(task, outcome, doubt)
    return Done(doubt.sentence if doubt else _WORDS[outcome])


_WORDS = {
    cml.Deregistration.RELEASED: "CML gave it back: the seat is free.",
    cml.Deregistration.ALREADY: "CML was deregistered already.",
    cml.Deregistration.UNCONFIRMED: "",
}


@transaction.atomic
def _keep(task: Task, outcome: cml.Deregistration, doubt: SeatDoubt | None) -> None:
    # Also when the operation is no longer ours: the answer comes once.
    worker, actor = task.worker, asking.actor_of(task.operation)
    if doubt:
        seats.flag(worker=worker, doubt=doubt, now=task.now, actor=actor, operation=task.operation)
    elif outcome == cml.Deregistration.RELEASED:
        seats.close(worker, note="CML gave the seat back (204).", now=task.now)
    licensing.write(task, details.unregistered(worker.licensing))
    Worker.objects.filter(pk=worker.pk).update(cml_due_at=task.now)
    task.remember(outcome=outcome.value, doubt=doubt.value if doubt else "")


def _nodes_run(count: int | None, worker: str) -> str:
    some = f"{count} nodes run" if count and count > 1 else "nodes run"
    return (
        f"CML does not give its licence back while {some} on {worker}. Stop its labs first, "
        "or ask again and say that running labs are to be stopped."
    )
