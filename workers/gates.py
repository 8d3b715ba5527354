"""The gates that a worker passes until somebody can work on it, from what the row already holds: no query.

Machine runs → status checks pass → CML answers → certificate and account accepted → CML is ready → licensed. The first two follow from EC2's
columns, the last from the licence's; what CML's own gates say is written by its refresh into `Worker.gates`:
[{"name", "state": open | shut | unknown, "since": ISO time, "why": a sentence or "", "soon": opens by itself}].
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.dateparse import parse_datetime

from workers.choices import LicenseState, MachineState
from workers.gate_choices import GateState

if TYPE_CHECKING:
    from workers.models import Worker

LABELS = {
    "running": "Machine runs",
    "checks": "Status checks pass",
    "answers": "CML answers",
    "accepted": "Certificate and account accepted",
    "cml": "CML is ready",
    "licensed": "Licensed",
}
OF_CML = ("answers", "accepted", "cml", "licensed")
NO_ANSWER: dict[str, Any] = {"state": GateState.UNKNOWN.value, "why": "", "soon": False, "since": ""}


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One gate. `since` is None while nothing is known; `why` may explain an open one too, when it is not open altogether."""

    name: str
    state: GateState
    since: datetime | None = None
    why: str = ""
    soon: bool = False

    @property
    def label(self) -> str:
        return LABELS[self.name]

    @property
    def shown(self) -> GateState:
        """The state as it is shown."""
        return GateState.SOON if self.soon and self.state == GateState.SHUT else self.state


def gates_of(worker: Worker) -> list[Gate]:
    """All gates in their order."""
    machine = _machine(worker)
    if machine.state != GateState.OPEN:
        return [machine, *(Gate(name=name, state=GateState.UNKNOWN) for name in LABELS if name != "running")]
    known = {entry["name"]: entry for entry in worker.gates}
    gates = [_stored(name, known.get(name, NO_ANSWER)) for name in OF_CML if name != "licensed"]
    return [machine, _checks(worker), *gates, _licensed(worker, known.get("licensed", NO_ANSWER))]


def _stored(name: str, entry: dict[str, Any]) -> Gate:
    since = parse_datetime(entry["since"]) if entry["since"] else None
    return Gate(name=name, state=GateState(entry["state"]), since=since, why=entry["why"], soon=entry["soon"])


def _machine(worker: Worker) -> Gate:
    state = worker.machine
    if state == MachineState.RUNNING:
        return Gate(name="running", state=GateState.OPEN, since=worker.machine_state_since)
    soon = state == MachineState.PENDING
    why = worker.machine_state_reason or state.look.hint
    return Gate(name="running", state=GateState.SHUT, since=worker.machine_state_since, why=why, soon=soon)


def checks_verdict(system: str, instance: str) -> GateState:
    """What EC2's two status checks say together; SOON while it is still checking. Source: EC2 API, InstanceStatusSummary."""
    both = {system, instance}
    if both == {"ok"}:
        return GateState.OPEN
    if "impaired" in both:
        return GateState.SHUT
    return GateState.SOON if "initializing" in both else GateState.UNKNOWN


def _checks(worker: Worker) -> Gate:
    verdict = checks_verdict(worker.system_check, worker.instance_check)
    said = f"system {worker.system_check or 'unknown'}, instance {worker.instance_check or 'unknown'}"
    why = {
        GateState.OPEN: "",
        GateState.SHUT: f"EC2 finds a fault ({said}): stop and start the machine to get another host.",
        GateState.SOON: f"EC2 is still checking ({said}).",
        GateState.UNKNOWN: "EC2 has not told yet.",
    }[verdict]
    soon = verdict == GateState.SOON
    return Gate(name="checks", state=GateState.SHUT if soon else verdict, since=worker.checks_since, why=why, soon=soon)


def licence_verdict(state: LicenseState) -> tuple[GateState, str, bool]:
    """Whether that counts as licensed, why (not), and whether it opens by itself."""
    if state == LicenseState.REGISTERED:
        return GateState.OPEN, "", False
    if state == LicenseState.EVALUATION:
        return GateState.OPEN, state.look.hint, False
    if state in {LicenseState.UNKNOWN, LicenseState.OTHER}:
        return GateState.UNKNOWN, state.look.hint, False
    return GateState.SHUT, state.look.hint, state == LicenseState.IN_PROGRESS


def _licensed(worker: Worker, entry: dict[str, Any]) -> Gate:
    # An operation may have changed the licence since the refresh wrote the gate: the state of now counts, its beginning is then not known.
    state, why, soon = licence_verdict(worker.license)
    since = parse_datetime(entry["since"]) if entry["since"] and entry["state"] == state.value else None
    return Gate(name="licensed", state=state, since=since, why=why, soon=soon)
