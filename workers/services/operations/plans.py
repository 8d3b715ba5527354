"""What each kind of operation consists of: its steps, what they are called, who does them, and how success is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from workers.choices import OperationKind, StepState
from workers.models import Operation
from workers.services.operations import launch, life, looks, upkeep
from workers.services.operations.steps import Handler, Stopped

# kind → (name, label, handler) in order. Names are stored with operations in flight: rename none without a thought for those.
_GATES: tuple[tuple[str, str, Handler], ...] = (
    ("running", "EC2 says running", life.wait_running),
    ("checks", "Status checks pass", life.wait_checks),
    ("cml", "CML is ready", life.wait_cml),
)
PLANS: dict[OperationKind, tuple[tuple[str, str, Handler], ...]] = {
    OperationKind.CREATE: (("launch", "Ask EC2 for an instance", launch.launch), *_GATES),
    OperationKind.START: (("start", "Ask EC2 to start it", life.start), *_GATES),
    OperationKind.STOP: (("stop", "Ask EC2 to stop it", life.stop), ("stopped", "EC2 says stopped", life.wait_stopped)),
    OperationKind.TERMINATE: (
        ("protection", "Termination protection is off", life.check_protection),
        ("terminate", "Ask EC2 to terminate it", life.terminate),
        ("terminated", "EC2 says terminated", life.wait_terminated),
    ),
    OperationKind.TAG: (("tag", "Change the tags in EC2", upkeep.tag), ("read", "Read them back", upkeep.read_back)),
    OperationKind.MONITOR: (("monitor", "Change it in EC2", upkeep.monitor), ("read", "Read it back", upkeep.read_back)),
    OperationKind.LOOK: (("look", "Look in EC2", looks.look),),
}


def steps_of(kind: OperationKind) -> list[dict[str, Any]]:
    """The steps of a new operation."""
    empty = {"state": StepState.PENDING.value, "detail": "", "started_at": "", "finished_at": ""}
    return [{"name": name, "label": label} | empty for name, label, _ in PLANS[kind]]


def handler_of(operation: Operation, step: dict[str, Any]) -> Handler:
    """Who does the step."""
    return next(handler for name, _, handler in PLANS[OperationKind(operation.kind)] if name == step["name"])


def succeeded(operation: Operation, now: datetime) -> str:
    """The sentence of a success."""
    took = _span((now - operation.asked_at).total_seconds())
    worker = operation.worker_name
    return {
        OperationKind.CREATE: f"{worker} was created and is ready after {took}.",
        OperationKind.START: f"{worker} runs and is ready after {took}.",
        OperationKind.STOP: f"{worker} is stopped after {took}.",
        OperationKind.TERMINATE: f"{worker} is terminated after {took}.",
        OperationKind.TAG: f"The tags of {worker} are changed.",
        OperationKind.MONITOR: f"Detailed monitoring of {worker} is {'on' if operation.parameters.get('on') else 'off'}.",
        OperationKind.LOOK: "Looked.",
    }[OperationKind(operation.kind)]


def after_failure(operation: Operation, stopped: Stopped, *, now: datetime) -> None:
    """What a failure means for the worker: one that was never created says so."""
    if operation.kind == OperationKind.CREATE:
        launch.give_up(operation, stopped, now=now)


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
