"""Asking a CML for the YAML of labs, one after the other: what was done is remembered after each, so that a killed process goes on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from labs.choices import LabVersionReason, NodeState
from labs.models import Lab
from labs.services import refresh
from labs.services.versions.keeping import Circumstances, UnableToKeep, keep
from workers.clients import cml
from workers.services.operations import asking
from workers.services.operations.steps import Done, Outcome, Stopped, Task, Wait

SLICE = 20.0  # seconds of work before an operation is handed back, so that nobody takes its process for dead
TRIES = 3  # for one lab, and for the list of labs
SILENT = 3  # labs in a row without an answer, after which no other is asked for
POLL = 3  # seconds
MOST_LABS = 2_000
MOST_NODES = 200  # whose configurations are read for one operation
EXTRACTED_WITHIN = timedelta(minutes=20)
NAMED = 5  # in a sentence


class Unsaved(Exception):
    """The labs of a worker cannot be saved; the sentence says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def list_labs(task: Task, *, tries: int = TRIES) -> Wait | None:
    """Remember which labs are to be saved; None when that is known. Raises Unsaved when CML does not tell.

    Those that were asked for, or all that CML has now: a lab may be younger than what the portal has read.
    """
    result, wanted = task.operation.result, task.operation.parameters.get("labs")
    if "labs" in result:
        return None
    if task.operation.subject_id:
        _remember(task, [task.operation.subject_id])
        return None
    if wanted is not None:
        _remember(task, [uuid.UUID(one) for one in wanted])
        return None
    outcomes = refresh.refresh_labs(now=task.now, only=[task.worker.pk])
    if outcomes and outcomes[0].was_read:
        labs = Lab.objects.on(task.worker.pk).filter(gone_at__isnull=True).order_by("title", "pk")
        _remember(task, labs.values_list("pk", flat=True)[:MOST_LABS])
        return None
    problem = outcomes[0].problem if outcomes else "Its labs are being read by somebody else."
    tried = result.get("list_tries", 0) + 1
    task.remember(list_tries=tried)
    if tried < tries:
        return Wait(POLL, problem)
    raise Unsaved(problem)


def _remember(task: Task, ids: Iterable[uuid.UUID]) -> None:
    _go_on(task, labs=[str(pk) for pk in ids], done=[], failed={})


def _go_on(task: Task, **facts: Any) -> None:
    if not task.remember(**facts):
        raise Stopped("Somebody else goes on with this.")


def save(task: Task, why: LabVersionReason) -> Wait | None:
    """Save the next labs of the list; None when none is left. Raises Unsaved when CML cannot be asked any more.

    What cannot be saved of one lab is remembered in result["failed"], and the others follow.
    """
    result, began = task.operation.result, time.monotonic()
    labs = _labs(task)
    for at, lab in enumerate(labs):
        if time.monotonic() - began > SLICE:
            return Wait(1, f"{len(result['done'])} of {len(result['labs'])} saved")
        facts = _save_one(task, lab, why)
        _go_on(task, done=[*result["done"], str(lab.pk)], **facts)
        if at + 1 < len(labs) and len(labs) > 1:
            task.step["detail"] = f"{len(result['done'])} of {len(result['labs'])} saved"
    return None


def _labs(task: Task) -> list[Lab]:
    """Those that are left, in the order of the list."""
    result = task.operation.result
    left = [pk for pk in result["labs"] if pk not in set(result["done"])]
    found = {str(lab.pk): lab for lab in Lab.objects.filter(pk__in=left, worker=task.worker).defer("notes")}
    return [found[pk] for pk in left if pk in found]


def _save_one(task: Task, lab: Lab, why: LabVersionReason) -> dict[str, Any]:
    """Fetch and keep it; what the result has to say of it, which may be a failure that is this lab's alone."""
    result, parameters = task.operation.result, task.operation.parameters
    try:
        text = task.cml.download_lab(lab.cml_id)
    except cml.CmlNotFound:
        return {"gone": result.get("gone", 0) + 1}
    except cml.CmlError as error:
        if error.retryable and task.operation.attempts + 1 < TRIES:
            raise
        silent = result.get("silent", 0) + 1 if isinstance(error, cml.CmlUnreachable | cml.CmlNotReady) else 0
        if silent >= SILENT or isinstance(error, cml.CmlRefused):
            raise Unsaved(error.sentence) from None
        return _failed(task, lab, error.sentence) | {"silent": silent}
    circumstances = Circumstances(
        why=why,
        actor=asking.actor_of(task.operation),
        operation=task.operation,
        note=parameters.get("note", ""),
        with_configurations=str(lab.pk) in result.get("extracted", {}),
        cml_version=task.worker.cml_version,
    )
    try:
        kept = keep(lab=lab, text=text, of=circumstances, now=task.now)
    except UnableToKeep as problem:
        return _failed(task, lab, problem.sentence)
    name = "saved" if kept.is_new else "same"
    return {name: result.get(name, 0) + 1, "silent": 0}


def _failed(task: Task, lab: Lab, sentence: str) -> dict[str, Any]:
    return {"failed": task.operation.result["failed"] | {str(lab.pk): [str(lab)[:80], sentence[:300]]}}


def failures(task: Task) -> str:
    """What was not saved and why, as sentences; "" when all was."""
    failed = list(task.operation.result.get("failed", {}).values())
    more = len(failed) - NAMED
    words = " ".join(f"{title}: {sentence}" for title, sentence in failed[:NAMED])
    return f"Not saved: {words}{f' And {more} more.' if more > 0 else ''}" if failed else ""


def counted(result: dict[str, Any]) -> str:
    """ "12 saved", with what is the same as before."""
    saved, same = result.get("saved", 0), result.get("same", 0)
    return f"{saved} saved{f', {same} as before' if same else ''}"


# ── Running configurations ─────────────────────────────────────────────────────────────────────────────────────────
def extract(task: Task) -> Outcome:
    """Have CML read the configurations of booted nodes into their labs, if that was asked for; what it cannot read is told."""
    if not task.operation.parameters.get("extract"):
        return Done("Not asked for.")
    result = task.operation.result
    if "nodes" not in result:
        _go_on(task, nodes=_booted(task), extracted={}, not_extracted=[])
    began = time.monotonic()
    while result["nodes"]:
        if task.lasted() > EXTRACTED_WITHIN:
            return Done(
                f"{_extraction(result)} {len(result['nodes'])} were left out after {EXTRACTED_WITHIN.seconds // 60} minutes."
            )
        if time.monotonic() - began > SLICE:
            return Wait(1, f"{len(result['nodes'])} nodes left")
        _extract_one(task, *result["nodes"][0])
        _go_on(task, nodes=result["nodes"][1:], extracted=result["extracted"], not_extracted=result["not_extracted"])
    return Done(_extraction(result))


def _booted(task: Task) -> list[list[str]]:
    """[lab, CML's id of it, node, label] of every node that can be asked, at most MOST_NODES."""
    found: list[list[str]] = []
    for lab in _labs(task):
        nodes = _unless_gone(lambda lab=lab: task.cml.nodes(lab.cml_id))  # type: ignore[misc]
        found += [
            [str(lab.pk), lab.cml_id, node.node_id, (node.label or node.node_id)[:80]]
            for node in nodes or ()
            if NodeState.read(node.state) == NodeState.BOOTED
        ]
    return found[:MOST_NODES]


def _unless_gone(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except cml.CmlNotFound:
        return None


def _extract_one(task: Task, lab_id: str, cml_id: str, node_id: str, label: str) -> None:
    result = task.operation.result
    try:
        task.cml.extract_configuration(cml_id, node_id)
    except cml.CmlError as error:
        result["not_extracted"].append([label, error.sentence[:200]])
    else:
        result["extracted"][lab_id] = result["extracted"].get(lab_id, 0) + 1


def _extraction(result: dict[str, Any]) -> str:
    missing = result["not_extracted"]
    words = f"{sum(result['extracted'].values())} configurations read."
    if missing:
        words += f" Not read: {', '.join(label for label, _ in missing[:NAMED])}"
        words += f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        words += f": {missing[0][1]}"
    return words
