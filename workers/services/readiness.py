"""CML's gates to readiness, out of one look: each open, shut or unknown, since when, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from workers.choices import EventKind, LicenseState, ServiceState
from workers.clients import cml
from workers.gate_choices import GateState
from workers.gates import LABELS, NO_ANSWER, licence_verdict
from workers.models import Event, Worker
from workers.services import record
from workers.services.cml_reading import Reading

Verdict = tuple[GateState, str, bool]  # state, why, opens by itself
_OPEN: Verdict = (GateState.OPEN, "", False)
_UNKNOWN: Verdict = (GateState.UNKNOWN, "", False)
VIRTUALISATION_OFF = "Hardware virtualisation is off: this instance type cannot run nodes."


def gates_found(worker: Worker, reading: Reading, fields: Mapping[str, Any], *, now: datetime) -> list[dict[str, Any]]:
    """The gates for `Worker.gates`; `fields` are what the look means otherwise. An unchanged gate keeps its since."""
    account = fields.get("cml_account", worker.cml_account)
    state, reasons = ServiceState(fields["service_state"]), fields["service_reasons"]
    why = reasons[0] if reasons else ""
    license_state = LicenseState(fields.get("license_state", worker.license_state))
    verdicts = {
        "answers": _answers(reading, state, why),
        "accepted": _accepted(reading, account, why),
        "cml": _ready(reading, why),
        "licensed": licence_verdict(license_state),
    }
    before = {gate["name"]: gate for gate in worker.gates}
    return [_entry(name, verdict, before.get(name), now) for name, verdict in verdicts.items()]


def _entry(name: str, verdict: Verdict, before: dict[str, Any] | None, now: datetime) -> dict[str, Any]:
    state, why, soon = verdict
    unchanged = before is not None and before["state"] == state.value
    since = before["since"] if before and unchanged else now.isoformat(timespec="seconds")
    return {"name": name, "state": state.value, "why": why[:300], "soon": soon, "since": since}


def _answers(reading: Reading, state: ServiceState, why: str) -> Verdict:
    if reading.information is not None:
        return _OPEN
    if isinstance(reading.error, cml.CmlRefused):
        return (GateState.OPEN, "A server answers there; what it says is not known.", False)
    return (GateState.SHUT, why, state == ServiceState.STARTING)


def _accepted(reading: Reading, account: Mapping[str, Any], why: str) -> Verdict:
    if reading.refusal is not None:
        return (GateState.SHUT, why, False)
    if reading.information is None:
        return _UNKNOWN
    if reading.problem:
        return (GateState.SHUT, reading.problem, False)
    if not any((reading.account, reading.stats, reading.health, reading.licensing)):
        return (GateState.UNKNOWN, reading.error.sentence if reading.error else "", False)
    if account.get("is_admin") is False:
        who = account.get("username")
        return (GateState.OPEN, f"The portal’s account {who} is no administrator: labs of others are not seen.", False)
    return _OPEN


def _ready(reading: Reading, why: str) -> Verdict:
    if reading.information is None:
        return _UNKNOWN
    return _OPEN if reading.information.ready else (GateState.SHUT, why, why != VIRTUALISATION_OFF)


def story_of(worker: Worker, before: list[dict[str, Any]], changes: Mapping[str, Any], *, now: datetime) -> list[Event]:
    """Unsaved lines for gates that moved without the service's or the licence's state saying so."""
    if "gates" not in changes or "service_state" in changes or not before:
        return []
    old = {gate["name"]: gate for gate in before}
    return [
        record.event_of(
            worker,
            EventKind.GATE,
            actor=record.CML,
            now=now,
            before=_words(old.get(gate["name"], NO_ANSWER)),
            after=f"{LABELS[gate['name']]}: {_words(gate).lower()}",
            detail=gate["why"],
        )
        for gate in changes["gates"]
        if gate["name"] != "licensed" and _is_news(old.get(gate["name"], NO_ANSWER), gate)
    ]


def _is_news(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if old["state"] != new["state"]:
        return GateState.UNKNOWN not in {old["state"], new["state"]}
    return new["state"] == GateState.OPEN and bool(old["why"]) != bool(new["why"])


def _words(gate: Mapping[str, Any]) -> str:
    return str(GateState(gate["state"]).label)
