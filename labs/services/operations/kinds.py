"""What the engine is told of labs: the steps of each kind, how success is told, and what an end means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from labs import events
from labs.services.operations import files, importing, requests, rules, running, tasks
from workers.choices import OperationKind, StepState
from workers.models import Operation
from workers.services import labs_known
from workers.services.operations.registry import Kind, register
from workers.services.operations.steps import Stopped

K = OperationKind
OPERATE, DELETE = "labs.operate_lab", "labs.delete_lab"
_TURN = ("turn", "Its turn on this CML", tasks.turn)
_STOP = (("stop", "Ask CML to stop it", running.stop), ("stopped", "Nodes stop", running.wait_stopped))
_WIPE = (("wipe", "Ask CML to wipe it", running.wipe), ("wiped", "Disks go", running.wait_wiped))
_DELETE = (
    *_STOP,
    *_WIPE,
    ("delete", "Ask CML to delete it", running.delete),
    ("gone", "CML lists it no more", running.wait_gone),
)
_IMPORT = (
    _TURN,
    ("compare", "Compare with what CML has", importing.compare),
    ("import", "Hand CML the lab", importing.import_lab),
    ("name", "Give it its title", importing.name),
    ("read", "Read the new lab", importing.read),
)


def register_all() -> None:
    """Called once, when the app is ready."""
    start = (_TURN, ("start", "Ask CML to start it", running.start), ("booted", "Nodes boot", running.wait_booted))
    register(K.LAB_START, _kind(K.LAB_START, start, _started, retry=requests.retry))
    waiting = frozenset({K.LAB_START})
    stop = _kind(K.LAB_STOP, (_TURN, *_STOP), "is stopped", overtakes=waiting, retry=requests.retry)
    register(K.LAB_STOP, stop)
    register(K.LAB_WIPE, _kind(K.LAB_WIPE, (_TURN, *_STOP, *_WIPE), "is wiped", overtakes=waiting))
    careful = tuple((name, label, running.unless_gone(step)) for name, label, step in _DELETE)
    delete = _kind(K.LAB_DELETE, (_TURN, *careful), "is deleted", permission=DELETE, overtakes=waiting)
    register(K.LAB_DELETE, delete)
    download = (("download", "Ask CML for the YAML", files.download),)
    register(K.LAB_DOWNLOAD, _kind(K.LAB_DOWNLOAD, download, "is ready to be downloaded"))
    brought = Kind(
        permission=OPERATE,
        steps=_IMPORT,
        ruling=lambda worker, lab_id: rules.import_ruling(worker),
        succeeded=importing.succeeded,
        ended=_ended,
        announce=_announce,
        noun="lab",
    )
    register(K.LAB_IMPORT, brought)


def _kind(kind: OperationKind, steps: Any, done: str | Callable[[Operation, str], str], **more: Any) -> Kind:
    succeeded = partial(_succeeded, done) if isinstance(done, str) else done
    fields: dict[str, Any] = {"permission": OPERATE, "ended": _ended, "announce": _announce, "noun": "lab"} | more
    return Kind(steps=steps, ruling=partial(rules.ruling, kind), succeeded=succeeded, **fields)


def _succeeded(done: str, operation: Operation, took: str) -> str:
    return f"{operation.subject_name} {done} after {took}."


def _started(operation: Operation, took: str) -> str:
    words = next((step["detail"] for step in operation.steps if step["name"] == "booted" and step["detail"]), "")
    return f"{operation.subject_name} runs after {took}{f': {words}' if words else ''}."


def _ended(operation: Operation, stopped: Stopped | None, now: datetime) -> None:
    """Whatever the outcome, its labs are read again, and a file that was on its way to CML is needed no more."""
    files.forget(operation, now=now)
    began = any(step["state"] != StepState.PENDING for step in operation.steps)
    if operation.worker_id and began:
        labs_known.ask_for_reading(worker_id=operation.worker_id, now=now)


def _announce(operation: Operation) -> None:
    if operation.subject_id:
        events.announce_labs([operation.subject_id])
