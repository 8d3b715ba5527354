"""What each kind of operation consists of: its steps, what they are called, who does them, and how success is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from workers.choices import OperationKind, StepState
from workers.models import Operation
from workers.services.licenses import tokens
from workers.services.operations import launch, licensing, life, looks, registry, releasing, upkeep
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
        ("labs", "Stop running labs", releasing.stop_labs_before_end),
        ("release", "Give the licence back", releasing.release_before_end),
        ("terminate", "Ask EC2 to terminate it", life.terminate),
        ("terminated", "EC2 says terminated", life.wait_terminated),
    ),
    OperationKind.TAG: (("tag", "Change the tags in EC2", upkeep.tag), ("read", "Read them back", upkeep.read_back)),
    OperationKind.MONITOR: (("monitor", "Change it in EC2", upkeep.monitor), ("read", "Read it back", upkeep.read_back)),
    OperationKind.LOOK: (("look", "Look in EC2", looks.look),),
    OperationKind.REGISTER: (
        ("look", "Read the licence", licensing.look),
        ("register", "Hand CML the token", licensing.register),
        ("registered", "Cisco registers and authorizes it", licensing.wait_registered),
        ("nodes", "Ask for expansion nodes", licensing.set_nodes),
        ("read", "Read the licence again", licensing.read_again),
    ),
    OperationKind.RENEW: (
        ("look", "Read the licence", licensing.look),
        ("renew", "Ask CML to renew it", licensing.renew),
        ("renewed", "Cisco renews it", licensing.wait_renewed),
    ),
    OperationKind.DEREGISTER: (
        ("look", "Read the licence", licensing.look),
        ("labs", "Stop running labs", releasing.stop_labs),
        ("release", "Give the licence back", releasing.release),
        ("read", "Read the licence again", licensing.read_again),
    ),
    OperationKind.LICENSE: (
        ("look", "Read the licence", licensing.look),
        ("product", "Choose the product", licensing.set_product),
        ("nodes", "Ask for expansion nodes", licensing.set_nodes),
        ("read", "Read the licence again", licensing.read_again),
    ),
}


def plan_of(kind: OperationKind) -> tuple[tuple[str, str, Handler], ...]:
    """The steps of `kind` in order, with those that other apps put before them."""
    other = registry.registered(kind)
    plan = other.steps if other is not None else PLANS[kind]
    return tuple(step for own in plan for step in (*registry.before(kind, own[0]), own))


def steps_of(kind: OperationKind) -> list[dict[str, Any]]:
    """The steps of a new operation."""
    empty = {"state": StepState.PENDING.value, "detail": "", "started_at": "", "finished_at": ""}
    return [{"name": name, "label": label} | empty for name, label, _ in plan_of(kind)]


def handler_of(operation: Operation, step: dict[str, Any]) -> Handler:
    """Who does the step."""
    return next(handler for name, _, handler in plan_of(OperationKind(operation.kind)) if name == step["name"])


def succeeded(operation: Operation, now: datetime) -> str:
    """The sentence of a success."""
    took = _span((now - operation.asked_at).total_seconds())
    worker = operation.worker_name
    kind = OperationKind(operation.kind)
    other = registry.registered(kind)
    if other is not None:
        return other.succeeded(operation, took)
    if kind == OperationKind.DEREGISTER:
        return releasing.ended(operation, took)
    doubt = " The seat of its licence may still be taken: it is listed under Licences." if operation.result.get("doubt") else ""
    return {
        OperationKind.CREATE: f"{worker} was created and is ready after {took}.",
        OperationKind.START: f"{worker} runs and is ready after {took}.",
        OperationKind.STOP: f"{worker} is stopped after {took}.",
        OperationKind.TERMINATE: f"{worker} is terminated after {took}.{doubt}",
        OperationKind.TAG: f"The tags of {worker} are changed.",
        OperationKind.MONITOR: f"Detailed monitoring of {worker} is {'on' if operation.parameters.get('on') else 'off'}.",
        OperationKind.LOOK: "Looked.",
        OperationKind.REGISTER: f"{worker} is registered and in compliance after {took}.",
        OperationKind.RENEW: f"The {operation.parameters.get('what', 'licence')} of {worker} is renewed after {took}.",
        OperationKind.LICENSE: f"The licence of {worker} is changed.",
    }[kind]


def after_end(operation: Operation, stopped: Stopped | None, *, now: datetime) -> None:
    """What must not outlive an operation, and what its end means for the app that brought its kind. Inside the transaction that ends
    it; `stopped` says why it failed."""
    if operation.kind == OperationKind.REGISTER:
        tokens.forget(operation)
    other = registry.registered(operation.kind)
    if other is not None and other.ended is not None:
        other.ended(operation, stopped, now)


def after_failure(operation: Operation, stopped: Stopped, *, now: datetime) -> None:
    """What a failure means for the worker: one that was never created says so."""
    if operation.kind == OperationKind.CREATE:
        launch.give_up(operation, stopped, now=now)
    if operation.kind in {OperationKind.DEREGISTER, OperationKind.TERMINATE}:
        releasing.give_up(operation, now=now)


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
