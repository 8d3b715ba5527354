"""Steps that start, stop and wipe a lab, and delete it. Each looks how things are first, so that doing it again does nothing twice."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from labs import events
from labs.choices import NodeState
from labs.models import Lab
from labs.services.operations.tasks import POLL, Gone, ask, change, gone_sentence, is_active, lab_of, look, minutes, said
from workers.choices import EventKind
from workers.services.operations.steps import Done, Finished, Handler, Outcome, Stopped, Task, Wait

BOOTED_WITHIN = timedelta(minutes=30)
STOPPED_WITHIN = timedelta(minutes=15)
WIPED_WITHIN = timedelta(minutes=10)
GONE_WITHIN = timedelta(minutes=2)
QUEUED_WITHIN = timedelta(seconds=20)  # so long CML may take to put the nodes into its queue
MOST_NAMED = 5  # nodes in a sentence
_COMING = {NodeState.QUEUED, NodeState.STARTING, NodeState.STARTED}


def start(task: Task) -> Outcome:
    """Ask CML to start every node that does not run."""
    lab = lab_of(task)
    states = look(task, lab)
    if states and all(map(is_active, states.values())):
        return Done("Every node was started already.")
    change(task, lambda: task.cml.start_lab(lab.cml_id))
    return Done()


def wait_booted(task: Task) -> Outcome:
    """Until every node has booted. Ends when none is on its way any more, and when it takes too long: CML goes on by itself then."""
    lab = lab_of(task)
    states = look(task, lab)
    booted = sum(state == NodeState.BOOTED for state in states.values())
    words = f"{booted} of {len(states)} node{'' if len(states) == 1 else 's'} booted"
    if booted == len(states):
        return Done(words)
    if task.lasted() > QUEUED_WITHIN and not _COMING & set(states.values()):
        if not any(map(is_active, states.values())):
            raise Stopped(f"{lab} does not run: it was stopped meanwhile, or CML started none of its nodes.")
        raise Stopped(f"{lab} runs, but only {words}. Not started: {_labels(lab, states)}.")
    if task.lasted() > BOOTED_WITHIN:
        raise Stopped(f"{lab} runs, but only {words} after {minutes(BOOTED_WITHIN)}. CML goes on with the others by itself.")
    return Wait(POLL, words)


def _labels(lab: Lab, states: dict[str, NodeState]) -> str:
    names = {node["id"]: node["label"] for node in lab.topology.get("nodes") or []}
    shut = sorted(names.get(node_id) or node_id for node_id, state in states.items() if state != NodeState.BOOTED)
    more = len(shut) - MOST_NAMED
    return ", ".join(shut[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def stop(task: Task) -> Outcome:
    """Ask CML to stop what runs."""
    lab = lab_of(task)
    if not any(map(is_active, look(task, lab).values())):
        return Done("Nothing runs.")
    change(task, lambda: task.cml.stop_lab(lab.cml_id))
    return Done()


def wait_stopped(task: Task) -> Outcome:
    """Until no node runs."""
    lab = lab_of(task)
    states = look(task, lab)
    running = sum(map(is_active, states.values()))
    if not running:
        return Done()
    words = f"{len(states) - running} of {len(states)} nodes stopped"
    if task.lasted() > STOPPED_WITHIN:
        raise Stopped(f"{lab} still runs after {minutes(STOPPED_WITHIN)}: only {words}.")
    return Wait(POLL, words)


def wipe(task: Task) -> Outcome:
    """Throw away the disks of a lab that is stopped."""
    lab = lab_of(task)
    if all(state == NodeState.DEFINED for state in look(task, lab).values()) and _is_bare(task):
        return Done("There are no disks.")
    change(task, lambda: task.cml.wipe_lab(lab.cml_id))
    return Done()


def _is_bare(task: Task) -> bool:
    """Whether CML calls the lab wiped: one without nodes may not be."""
    return lab_of(task).state == NodeState.DEFINED.value


def wait_wiped(task: Task) -> Outcome:
    """Until no node has a disk."""
    lab = lab_of(task)
    states = look(task, lab)
    left = sum(state != NodeState.DEFINED for state in states.values())
    if not left:
        return Done()
    words = f"{len(states) - left} of {len(states)} nodes wiped"
    if task.lasted() > WIPED_WITHIN:
        raise Stopped(f"{lab} is not wiped after {minutes(WIPED_WITHIN)}: only {words}.")
    return Wait(POLL, words)


def delete(task: Task) -> Outcome:
    """Have CML remove it."""
    lab = lab_of(task)
    change(task, lambda: task.cml.delete_lab(lab.cml_id), gone=gone_sentence(lab))
    return Done()


def wait_gone(task: Task) -> Outcome:
    """Until CML lists it no more; then it is gone here too, by whoever asked."""
    lab = lab_of(task)
    if lab.cml_id in ask(task, task.cml.lab_ids):
        if task.lasted() > GONE_WITHIN:
            raise Stopped(f"CML on {task.worker} still lists {lab} after {minutes(GONE_WITHIN)}.")
        return Wait(POLL, "CML still lists it.")
    mark_gone(task, lab)
    return Done()


def unless_gone(step: Handler) -> Handler:
    """`step` of a deletion: when CML's list has no such lab any more, what was asked for is so."""

    def careful(task: Task) -> Outcome:
        try:
            return step(task)
        except Gone:
            lab = lab_of(task)
            if lab.cml_id in ask(task, task.cml.lab_ids):
                raise
            mark_gone(task, lab)
            return Finished("CML has it no more.")

    return careful


@transaction.atomic
def mark_gone(task: Task, lab: Lab) -> None:
    """The lab is gone, with who asked for that; its versions and its history stay."""
    if Lab.objects.filter(pk=lab.pk, gone_at__isnull=True).update(gone_at=task.now, last_seen_at=task.now):
        said(task, lab, EventKind.LAB_GONE, before=lab.state_word)
        events.tell_lab(lab, events.REMOVED, at=task.now)
        events.announce_labs([lab.pk])
        events.announce_membership(worker_id=task.worker.pk)
