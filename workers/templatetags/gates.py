"""The gates to readiness on row and page, with what an operation on its way knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from workers.choices import MachineState, OperationKind, StepState
from workers.gate_choices import GateState
from workers.gates import Gate, gates_of
from workers.models import Worker

register = template.Library()


@dataclass(frozen=True)
class ShownGate:
    """One gate for a page: `took` how long it took the operation on its way to pass it, `begun` since when it waits there."""

    name: str
    label: str
    state: GateState
    since: datetime | None
    why: str
    took: str = ""
    begun: datetime | None = None


@register.filter
def gates(worker: Worker) -> list[ShownGate]:
    """The way to readiness: what an operation asks of EC2 first, then each gate. Empty for a machine that is off and not on its way."""
    operation = getattr(worker, "in_flight", None)
    coming = operation is not None and operation.kind in {OperationKind.CREATE, OperationKind.START}
    if not coming and worker.machine not in {MachineState.RUNNING, MachineState.PENDING}:
        return []
    steps = {step["name"]: step for step in operation.steps} if coming and operation else {}
    asked = [_asked(steps[name]) for name in ("launch", "start") if name in steps]
    return asked + [_shown(gate, steps.get(gate.name)) for gate in gates_of(worker)]


def _asked(step: dict[str, Any]) -> ShownGate:
    states = {StepState.DONE: GateState.OPEN, StepState.FAILED: GateState.SHUT, StepState.SKIPPED: GateState.OPEN}
    state = states.get(StepState(step["state"]), GateState.SOON)
    return ShownGate(step["name"], step["label"], state, None, step["detail"], took(step), _begun(step))


def _shown(gate: Gate, step: dict[str, Any] | None) -> ShownGate:
    if step is None:
        return ShownGate(gate.name, gate.label, gate.shown, gate.since, gate.why)
    waits = step["state"] == StepState.RUNNING and gate.state != GateState.OPEN
    state = GateState.SOON if waits and gate.state == GateState.UNKNOWN else gate.shown
    return ShownGate(gate.name, gate.label, state, gate.since, gate.why, took(step), _begun(step) if waits else None)


def _begun(step: dict[str, Any]) -> datetime | None:
    return parse_datetime(step["started_at"]) if step["state"] == StepState.RUNNING and step["started_at"] else None


def took(step: dict[str, Any]) -> str:
    """ "8 s" or "12 min 5 s" for a step that has ended, else ""."""
    began, ended = (parse_datetime(step[name]) if step.get(name) else None for name in ("started_at", "finished_at"))
    if not began or not ended:
        return ""
    seconds = max(0, round((ended - began).total_seconds()))
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60} s"


# Shapes in a box of 10 × 10, told apart without colour: full, crossed out, half, empty.
_SHAPES = {
    GateState.OPEN: "M1 1h8v8h-8z",
    GateState.SHUT: "M1 2.4 2.4 1 5 3.6 7.6 1 9 2.4 6.4 5 9 7.6 7.6 9 5 6.4 2.4 9 1 7.6 3.6 5z",
    GateState.SOON: "M1 5h8v4h-8z",
    GateState.UNKNOWN: "M4 4.2h2v1.6h-2z",
}


@register.simple_tag
def gate_strip(worker: Worker) -> SafeString:
    """The gates of a row as six small shapes with a sentence; nothing while all are open, and for a machine that does not run."""
    if worker.machine != MachineState.RUNNING:
        return SafeString("")
    found = gates_of(worker)
    if all(gate.state == GateState.OPEN and not gate.why for gate in found):
        return SafeString("")
    shapes = format_html_join(
        "",
        '<path data-tone="{}" transform="translate({} 0)" d="{}"/>',
        ((gate.shown.look.tone, index * 12, _SHAPES[gate.shown]) for index, gate in enumerate(found)),
    )
    return format_html(
        '<svg class="gate-strip" width="70" height="10" viewBox="0 0 70 10" role="img" aria-label="{0}"><title>{0}</title>{1}</svg>',
        _sentence(found),
        shapes,
    )


def _sentence(found: list[Gate]) -> str:
    passed = sum(gate.state == GateState.OPEN for gate in found)
    told = next((gate for gate in found if gate.state == GateState.SHUT), None)
    told = told or next((gate for gate in found if gate.why), found[0])
    words = f"{passed} of {len(found)} gates are open. {told.label}: {told.shown.label.lower()}"
    return f"{words}. {told.why}" if told.why else f"{words}."
