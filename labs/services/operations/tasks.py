"""What the steps of labs share: whose turn it is, the lab, calls to its CML, and keeping what was seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.utils.dateparse import parse_datetime

from labs import events
from labs.choices import LabState, NodeState
from labs.models import Lab
from labs.services import story
from labs.services.operations import rules
from workers.choices import EventKind, OperationKind, OperationState
from workers.clients import cml
from workers.models import Event, Operation, Worker
from workers.services.operations import asking
from workers.services.operations.rules import Verdict
from workers.services.operations.steps import Done, Outcome, Stopped, Task, Wait

POLL = 2  # seconds between looks at CML
AT_ONCE = 4  # operations on labs of one CML that change something at the same time
TURN_LASTS = timedelta(minutes=10)  # then it counts no more: CML goes on by itself with what is slow
CHANGES = tuple(kind for kind in OperationKind if kind.value.startswith("lab_"))
Answer = TypeVar("Answer")


class Gone(Stopped):
    """CML does not have the lab."""


@transaction.atomic
def turn(task: Task) -> Outcome:
    """Wait until fewer than AT_ONCE others change labs of this CML. Decided with the worker's row locked, one after the other."""
    worker = up(task)
    Worker.objects.select_for_update().filter(pk=worker.pk).first()
    others = Operation.objects.filter(worker=worker, kind__in=CHANGES, state=OperationState.RUNNING)
    busy = sum(_has_turn(other, task) for other in others.exclude(pk=task.operation.pk).only("result"))
    if busy >= AT_ONCE:
        return Wait(POLL, f"{busy} other operations on labs of {worker} go first.")
    task.remember(turn_at=task.now.isoformat())
    return Done()


def _has_turn(other: Operation, task: Task) -> bool:
    since = parse_datetime(other.result.get("turn_at") or "")
    return since is not None and task.now - since < TURN_LASTS


def up(task: Task) -> Worker:
    """The worker, while its CML can be asked. Raises Stopped when a gate has shut meanwhile."""
    worker = task.worker
    ruling = rules.import_ruling(worker)
    if ruling.verdict != Verdict.ACT:
        raise Stopped(ruling.sentence, nothing_done=not task.operation.result.get("changed"))
    return worker


def lab_of(task: Task) -> Lab:
    """The lab, as it is in the database now. Raises Stopped when its row or its worker went away, or CML cannot be asked."""
    worker, lab_id = up(task), task.operation.subject_id
    lab = Lab.objects.select_related("worker").filter(pk=lab_id, worker=worker).first() if lab_id else None
    if lab is None:
        raise Stopped("The portal knows this lab no more.", nothing_done=not task.operation.result.get("changed"))
    return lab


def ask(task: Task, call: Callable[[], Answer], *, gone: str = "") -> Answer:
    """What CML answers. Raises Stopped with CML's own words for what it refuses, or with `gone` when it does not have the lab."""
    untouched = not task.operation.result.get("changed")
    try:
        return call()
    except cml.CmlNotFound as error:
        raise Gone(gone or error.sentence, detail=error.detail, nothing_done=untouched) from None
    except cml.CmlConflict as error:
        if task.is_last_attempt:
            raise Stopped(error.sentence, detail=error.detail, nothing_done=untouched) from None
        raise cml.CmlConflict(error.sentence, error.detail, retryable=True, description=error.description) from None
    except (cml.CmlRejected, cml.CmlRefused) as error:
        raise Stopped(error.sentence, detail=error.detail, nothing_done=untouched) from None


def change(task: Task, call: Callable[[], None], *, gone: str = "") -> None:
    """Ask CML for a change, which may be asked for again; that something was changed is remembered."""
    ask(task, call, gone=gone)
    task.remember(changed=True)


def gone_sentence(lab: Lab) -> str:
    """That CML does not have it."""
    return f"CML on {lab.worker_name} no longer has {lab}: it was deleted there meanwhile."


def look(task: Task, lab: Lab) -> dict[str, NodeState]:
    """The states of the nodes in CML now, by id; kept, so that rows and pages follow."""
    found = ask(task, lambda: task.cml.lab_element_states(lab.cml_id), gone=gone_sentence(lab))
    words = dict(found.nodes)
    state = _state(words) if words else ask(task, lambda: task.cml.lab_state(lab.cml_id), gone=gone_sentence(lab))
    keep(task, lab, words, state, dict(found.links))
    return {node_id: NodeState.read(word) for node_id, word in words.items()}


def is_active(state: NodeState) -> bool:
    """Whether a node runs, or is about to."""
    return state.is_running or state in {NodeState.QUEUED, NodeState.DISCONNECTED}


def _state(words: dict[str, str]) -> str:
    """A lab's state as CML forms it of its nodes'."""
    states = {NodeState.read(word) for word in words.values()}
    if any(map(is_active, states)):
        return LabState.STARTED.value
    return LabState.DEFINED.value if states == {NodeState.DEFINED} else LabState.STOPPED.value


@transaction.atomic
def keep(task: Task, lab: Lab, words: dict[str, str], state: str, links: dict[str, str]) -> None:
    """Write what was seen, if it is news, as the doing of whoever asked; the refresh, which sees the whole lab, will read it again."""
    current = Lab.objects.select_for_update().filter(pk=lab.pk, gone_at__isnull=True).first()
    if current is None:
        return
    nodes = [node | {"state": words.get(node["id"], node["state"])[:32]} for node in current.topology.get("nodes") or []]
    lines = [link | {"state": links.get(link["id"], link["state"])[:32]} for link in current.topology.get("links") or []]
    running = sum(NodeState.read(word).is_running for word in words.values())
    fields = {"nodes_running": running, "topology": current.topology | {"nodes": nodes, "links": lines}}
    before = current.state_word
    if (state, state) != (current.state, current.state_text):
        known = state if state in LabState.values else ""
        fields |= {"state": known, "state_text": state[:64], "state_since": task.now}
    fields = {name: value for name, value in fields.items() if getattr(current, name) != value}
    if not fields:
        return
    old = {name: getattr(current, name) for name in fields}
    for name, value in fields.items():
        setattr(current, name, value)
    events.tell_lab_changes(current, old, at=task.now)
    Lab.objects.filter(pk=current.pk).update(**fields, digest="")
    if current.state_word != before:
        said(task, current, EventKind.LAB_STATE, before=before, after=current.state_word)
        events.announce_membership(worker_id=task.worker.pk)
    events.announce_labs([current.pk])


def said(task: Task, lab: Lab, kind: EventKind, *, before: str = "", after: str = "") -> Event:
    """A line in the lab's history, as the doing of whoever asked."""
    lab.worker = task.worker
    event = story.line(lab, kind, now=task.now, before=before, after=after, actor=asking.actor_of(task.operation))
    event.operation, event.from_address = task.operation, task.operation.from_address
    event.save()
    return event


def minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} minutes"
