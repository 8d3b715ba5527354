"""Steps that save labs: of a backup that was asked for, and before something that could lose them.

Before a terminate, a wipe and a deletion nothing goes on until the labs are safe, unless the person said so with a reason; a stop loses nothing on
disk, so it goes on and tells.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db.models import F, Q

from labs.choices import LabVersionReason
from labs.models import Lab, LabVersion
from labs.services.operations import tasks
from labs.services.versions import fetching
from labs.services.versions.fetching import Unsaved, counted, failures
from workers.choices import ActorKind, MachineState
from workers.clients import cml
from workers.models import Operation, Worker
from workers.services.operations import rules
from workers.services.operations.rules import Verdict
from workers.services.operations.steps import Done, Outcome, Stopped, Task

WITHIN = {LabVersionReason.BEFORE_STOP: timedelta(minutes=10), LabVersionReason.BEFORE_TERMINATE: timedelta(minutes=30)}
NAMED = 5  # labs in a sentence
_CML = "labs are saved by CML itself, which must be ready"


# ── A backup ───────────────────────────────────────────────────────────────────────────────────────────────────────
def turn(task: Task) -> Outcome:
    """One lab of many waits for its turn; a whole worker is read one lab after the other anyway."""
    return tasks.turn(task) if task.operation.subject_id else Done()


def list_labs(task: Task) -> Outcome:
    """Which labs there are to be saved."""
    tasks.up(task)
    try:
        wait = fetching.list_labs(task)
    except Unsaved as problem:
        raise Stopped(f"The labs of {task.worker} were not saved. {problem.sentence}", nothing_done=True) from None
    count = len(task.operation.result.get("labs", []))
    return wait or Done(f"{count} lab{'' if count == 1 else 's'}")


def extract(task: Task) -> Outcome:
    """Running configurations first, if asked for."""
    tasks.up(task)
    return fetching.extract(task)


def save(task: Task) -> Outcome:
    """Fetch and keep each. Ends as failed when one could not be saved; those that could are."""
    tasks.up(task)
    nightly = task.operation.actor_kind == ActorKind.SCHEDULE
    try:
        wait = fetching.save(task, LabVersionReason.NIGHTLY if nightly else LabVersionReason.ASKED)
    except Unsaved as problem:
        raise Stopped(_so_far(task, problem.sentence)) from None
    if wait is not None:
        return wait
    if words := failures(task):
        raise Stopped(_so_far(task, words))
    if task.operation.subject_id and task.operation.result.get("gone"):
        raise Stopped(f"CML on {task.worker} no longer has {task.operation.subject_name}.", nothing_done=True)
    return Done(counted(task.operation.result))


def _so_far(task: Task, words: str) -> str:
    result = task.operation.result
    kept = result.get("saved", 0) + result.get("same", 0)
    if task.operation.subject_id:
        return words if words.startswith("Not saved") else f"{task.operation.subject_name} was not saved. {words}"
    return f"{kept} of {len(result.get('labs', []))} labs of {task.worker} were saved. {words}"


def succeeded(operation: Operation, took: str) -> str:
    """The sentence of a success."""
    result = operation.result
    if operation.subject_id:
        as_before = " It is as it was before." if result.get("same") else ""
        return f"{operation.subject_name} is backed up after {took}.{as_before}"
    count = result.get("saved", 0) + result.get("same", 0)
    words = f", {result['same']} of them as before" if result.get("same") else ""
    return f"{count} lab{'' if count == 1 else 's'} of {operation.worker_name} {'is' if count == 1 else 'are'} backed up after {took}{words}."


# ── Before something happens to one lab ────────────────────────────────────────────────────────────────────────────
def before(why: LabVersionReason, done: str) -> Callable[[Task], Outcome]:
    """The step that saves the operation's lab before it is `done` ("deleted"); a mere stop goes on without."""

    def save_lab(task: Task) -> Outcome:
        lab = tasks.lab_of(task)
        problem = _save_before(task, why)
        if not problem:
            return Done("CML no longer has it." if task.operation.result.get("gone") else "Saved.")
        if why == LabVersionReason.BEFORE_STOP:
            return Done(f"Not saved, which a stop does not need: {problem}")
        if task.operation.parameters.get("unsaved"):
            return Done(f"Not saved, and passed over as asked: {problem}")
        sentence = f"{lab} was not {done}, because it could not be saved. {problem} Ask again and say that it may go on unsaved, or try later."
        raise Stopped(sentence, nothing_done=True)

    return save_lab


def _save_before(task: Task, why: LabVersionReason) -> str:
    """Save the one lab; why it could not be, or ""."""
    try:
        fetching.list_labs(task)
        fetching.save(task, why)
    except Unsaved as problem:
        return problem.sentence
    return next((sentence for _, sentence in task.operation.result["failed"].values()), "")


# ── Before a worker stops or goes ──────────────────────────────────────────────────────────────────────────────────
def before_stop(task: Task) -> Outcome:
    """Save what can be saved, and go on in any case: what is on disk stays there."""
    try:
        return _save_all(task, LabVersionReason.BEFORE_STOP)
    except (Unsaved, Stopped) as problem:
        return Done(f"Not saved, which a stop does not need: {problem.sentence}")


def before_terminate(task: Task) -> Outcome:
    """Save every lab, or end here; with give_up_labs go on, as the person said."""
    if task.worker.machine in {MachineState.LOST, MachineState.FAILED, MachineState.TERMINATED, MachineState.SHUTTING_DOWN}:
        return Done("There is no machine that could be asked.")
    try:
        return _save_all(task, LabVersionReason.BEFORE_TERMINATE)
    except (Unsaved, Stopped) as problem:
        if task.operation.parameters.get("give_up_labs"):
            task.remember(unsaved=True)
            return Done(f"Not saved, and passed over as asked: {problem.sentence}")
        if not rules.labs_are_at_stake(task.worker):
            return Done(f"Its CML has never told of any labs. {problem.sentence}")
        raise Stopped(
            f"{task.worker} was not terminated, because its labs are not saved. {problem.sentence} "
            "Try again later, or terminate it and say that they may be lost.",
            nothing_done=True,
        ) from None


def _save_all(task: Task, why: LabVersionReason) -> Outcome:
    """List and save. Raises Unsaved, with what was and what was not."""
    worker = task.worker
    gate = rules.cml_ruling(worker, needs=_CML)
    if gate.verdict != Verdict.ACT:
        return _saved_before(worker, gate.sentence)
    if task.lasted() > WITHIN[why]:
        raise Unsaved(f"It takes longer than {tasks.minutes(WITHIN[why])}. {counted(task.operation.result)}.")
    tries = fetching.TRIES if rules.labs_are_at_stake(worker) else 1
    try:
        wait = fetching.list_labs(task, tries=tries) or fetching.save(task, why)
    except cml.CmlError as error:
        if tries == 1:
            raise Unsaved(error.sentence) from None
        raise
    if wait is not None:
        return wait
    if words := failures(task):
        raise Unsaved(words)
    return Done(counted(task.operation.result) if task.operation.result["labs"] else "There is no lab on it.")


def _saved_before(worker: Worker, sentence: str) -> Outcome:
    """Whether all that is known of its labs was saved earlier, so that a CML that cannot be asked need not be. Raises Unsaved."""
    labs = Lab.objects.on(worker.pk).filter(gone_at__isnull=True)
    if not labs.exists():
        if rules.labs_are_at_stake(worker):
            return Done("There was no lab on it when it was last read.")
        return Done("Its CML has never told of any labs.")
    current = Q(confirmed_at__gte=F("lab__cml_modified_at")) | Q(lab__cml_modified_at__isnull=True)
    saved = LabVersion.objects.filter(current, lab__in=labs).values("lab")
    unsaved = [str(lab) for lab in labs.exclude(pk__in=saved).order_by("title", "pk")[: NAMED + 1]]
    if not unsaved:
        count = labs.count()
        whole = "its lab was" if count == 1 else f"all {count} labs were"
        return Done(f"It cannot be asked now; {whole} saved earlier, as far as is known.")
    names = ", ".join(unsaved[:NAMED]) + (" and others" if len(unsaved) > NAMED else "")
    raise Unsaved(f"{sentence} Not saved since they last changed: {names}.")
