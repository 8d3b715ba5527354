"""How a change of a worker becomes one row update and its lines in the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import User
from workers import events
from workers.choices import ActorKind, EventKind, LicenseState, MachineState, ServiceState
from workers.gate_choices import GateState
from workers.gates import checks_verdict
from workers.models import Event, Operation, Worker

# Field → the kind of event that its change leaves. Other fields change silently: they are figures or follow from these.
TOLD: dict[str, EventKind] = {
    "machine_state": EventKind.STATE,
    "service_state": EventKind.SERVICE,
    "license_state": EventKind.LICENSE,
    "public_address": EventKind.ADDRESS,
    "private_address": EventKind.ADDRESS,
    "name": EventKind.RENAMED,
    "instance_type": EventKind.RESIZED,
    "cml_version": EventKind.VERSION,
    "tags": EventKind.TAGS,
}
_STATES = {"machine_state": MachineState, "service_state": ServiceState, "license_state": LicenseState}
# A first value of these is part of getting to know a worker, not news.
_SILENT_WHEN_FIRST = {"name", "instance_type", "cml_version", "tags", "public_address", "private_address"}


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who or what changed something."""

    kind: ActorKind
    user: User | None = None
    label: str = ""  # for somebody whose account may be gone, or who has none

    @property
    def name(self) -> str:
        return self.user.get_username() if self.user else self.label


EC2 = Actor(kind=ActorKind.EC2)
CML = Actor(kind=ActorKind.CML)
SYSTEM = Actor(kind=ActorKind.SYSTEM)


def differences(worker: Worker, found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `found` whose value differs from the row's."""
    return {field: value for field, value in found.items() if getattr(worker, field) != value}


def apply(worker: Worker, changes: dict[str, Any], *, actor: Actor, now: datetime, detail: str = "") -> list[Event] | None:
    """Write `changes` if the machine is still in the state in which it was when `worker` was read; set the states' since-times.

    Returns the events to store (unsaved, so that a refresh stores them all at once), or None when somebody else moved the machine first: then
    nothing was written, and what was read is older than what is known.
    """
    if not changes:
        return []
    before = {field: getattr(worker, field) for field in changes}
    for field in ("machine_state", "service_state"):
        if field in changes:
            changes[f"{field}_since"] = now
    checks = _checks(worker, changes)
    if checks and checks[0] != checks[1]:
        changes["checks_since"] = now
    if not Worker.objects.filter(pk=worker.pk, machine_state=worker.machine_state).update(**changes):
        return None
    for field, value in changes.items():
        setattr(worker, field, value)
    events.tell_changes(worker, before, by=actor, at=now)
    story = [
        event_of(
            worker,
            TOLD[field],
            before=_words(field, value),
            after=_words(field, changes[field]),
            actor=actor,
            now=now,
            detail=detail,
        )
        for field, value in before.items()
        if field in TOLD and _is_news(field, value, changes)
    ]
    if checks and GateState.SHUT in checks and GateState.UNKNOWN not in checks and checks[0] != checks[1]:
        said = f"system {worker.system_check}, instance {worker.instance_check}"
        words = {"before": _CHECKS_WORDS[checks[0]], "after": _CHECKS_WORDS[checks[1]], "detail": said}
        story.append(event_of(worker, EventKind.CHECKS, actor=actor, now=now, **words))
    return story


_CHECKS_WORDS = {GateState.OPEN: "Pass", GateState.SHUT: "Impaired", GateState.SOON: "Checking"}


def _checks(worker: Worker, changes: Mapping[str, Any]) -> tuple[GateState, GateState] | None:
    """What EC2's status checks said and say, when one of the two changes."""
    if not {"system_check", "instance_check"} & changes.keys():
        return None
    system, instance = (changes.get(name, getattr(worker, name)) for name in ("system_check", "instance_check"))
    return checks_verdict(worker.system_check, worker.instance_check), checks_verdict(system, instance)


def _is_news(field: str, before: Any, changes: Mapping[str, Any]) -> bool:
    """Whether a change deserves a line: not a first value, and not what follows from the machine having stopped."""
    if field in _SILENT_WHEN_FIRST and not before:
        return False
    if field in {"public_address", "private_address"}:
        return bool(changes[field])
    return not (field == "service_state" and changes[field] == ServiceState.UNKNOWN and "machine_state" in changes)


def credited(story: list[Event], operation: Operation | None) -> list[Event]:
    """The unsaved events as the operation's doing: linked to it, from its asker's address."""
    if operation is not None:
        for event in story:
            event.operation, event.from_address = operation, operation.from_address
    return story


def event_of(
    worker: Worker,
    kind: EventKind,
    *,
    actor: Actor,
    now: datetime,
    before: str = "",
    after: str = "",
    detail: str = "",
    from_address: str | None = None,
) -> Event:
    """An unsaved line of the timeline."""
    return Event(
        at=now,
        kind=kind,
        worker=worker,
        worker_name=str(worker)[:255],
        actor_kind=actor.kind,
        actor=actor.user,
        actor_name=actor.name[:150],
        before=before[:500],
        after=after[:500],
        detail=detail[:500],
        from_address=from_address,
    )


def _words(field: str, value: Any) -> str:
    if field in _STATES:
        return str(_STATES[field](value).label)
    if field == "tags":
        return ", ".join(f"{key}={text}" for key, text in sorted(value.items()))
    return str(value)
