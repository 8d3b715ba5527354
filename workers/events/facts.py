"""Facts about workers for API clients: what changed, from what to what. docs/events.md describes each; a test holds it to that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from cmlmanager.live.facts import Fact, fact
from cmlmanager.live.telling import tell
from workers.alert_choices import AlertChange
from workers.choices import MachineState, OperationState
from workers.models import Alert, Operation, Worker

CREATED = "worker.created"
IMPORTED = "worker.imported"
DELETED = "worker.deleted"
TERMINATED = "worker.terminated"
SEAT_DOUBTED = "worker.license.seat.doubted"
SEAT_SETTLED = "worker.license.seat.settled"

# Type → the fields whose changes it tells. What is in none of these is told to nobody, least of all how the portal signs in.
FIELDS: dict[str, tuple[str, ...]] = {
    "worker.status.updated": (
        "machine_state",
        "machine_state_reason",
        "service_state",
        "service_reasons",
        "system_check",
        "instance_check",
    ),
    "worker.metrics.updated": (
        "cpu",
        "cpu_source",
        "memory",
        "disk",
        "nodes_running",
        "nodes_total",
        "network_in",
        "network_out",
        "checks_failed",
    ),
    "worker.labs.updated": ("labs_running", "labs_total"),
    "worker.license.updated": (
        "license_state",
        "license_text",
        "license_expires_at",
        "authorization_expires_at",
        "smart_account",
        "virtual_account",
        "seats_in_use",
        "seats_max",
        "license_nodes_in_use",
        "license_nodes_max",
    ),
    "worker.updated": (
        "name",
        "instance_id",
        "instance_type",
        "ami_id",
        "zone",
        "public_address",
        "private_address",
        "cml_version",
        "tags",
        "detailed_monitoring",
    ),
}


class Who(Protocol):
    """Who or what did it: a kind of choices.ActorKind, and a name, which may be empty."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """{field: {"old": …, "new": …}} of those of `names` that differ."""
    return {name: {"old": before[name], "new": after[name]} for name in names if name in before and before[name] != after[name]}


def tell_changes(worker: Worker, before: Mapping[str, Any], *, by: Who, at: datetime) -> None:
    """The worker's row was written; `before` holds the former values of the fields that were."""
    tell(*_changed(worker, before, by=by, at=at))


def _changed(worker: Worker, before: Mapping[str, Any], *, by: Who, at: datetime) -> Iterator[Fact]:
    after = {name: getattr(worker, name) for name in before}
    for kind, names in FIELDS.items():
        changes = changes_of(before, after, names)
        if changes:
            yield _about(worker, kind, by=by, at=at, changes=changes)
    if "machine_state" in before and before["machine_state"] != worker.machine_state == MachineState.TERMINATED:
        yield _about(worker, TERMINATED, by=by, at=at, reason=worker.machine_state_reason)


def tell_worker(worker: Worker, kind: str, *, by: Who, at: datetime) -> None:
    """The portal has this worker from now on (CREATED, IMPORTED), or has it no more (DELETED)."""
    tell(
        _about(
            worker,
            kind,
            by=by,
            at=at,
            machine_state=worker.machine_state,
            instance_type=worker.instance_type,
            ami_id=worker.ami_id,
        )
    )


def tell_seat(worker: Worker, kind: str, *, by: Who, at: datetime, reason: str, detail: str) -> None:
    """Nobody can say any more whether the worker's licence seat is free (SEAT_DOUBTED), or it is clear again (SEAT_SETTLED)."""
    tell(_about(worker, kind, by=by, at=at, reason=reason, detail=detail))


def _about(worker: Worker, kind: str, *, by: Who, at: datetime, **payload: Any) -> Fact:
    where = {"account": worker.account, "region": worker.region, "instance_id": worker.instance_id}
    about = {"id": worker.pk, "name": str(worker), **where}
    topics = ("workers", f"worker.{worker.pk}")
    return fact(kind, at=at, topics=topics, worker=about, by={"kind": str(by.kind), "name": by.name}, **payload)


_ENDS = {OperationState.SUCCEEDED.value, OperationState.REFUSED.value, OperationState.FAILED.value}


def tell_operation(
    operation: Operation,
    *,
    at: datetime,
    old: str | None,
    new: str,
    sentence: str = "",
    step: Mapping[str, Any] | None = None,
) -> None:
    """The operation moved from the state `old` (None: it was just asked for) to `new`; with `step`, that step of it did.

    Its parameters and its result are told to nobody.
    """
    worker = {"id": operation.worker_id, "name": operation.worker_name} if operation.worker_id else None
    subject = {"id": operation.subject_id, "name": operation.subject_name} if operation.subject_id else None
    topics = ["operations"]
    if operation.worker_id:
        topics += ["workers", f"worker.{operation.worker_id}"]
    if operation.subject_id:
        topics.append(f"lab.{operation.subject_id}")
    about = {"id": operation.pk, "kind": operation.kind, "reason": operation.reason, "batch": operation.batch}
    payload: dict[str, Any] = {"changes": {"state": {"old": old, "new": new}}}
    if step is not None:
        kind, payload["step"] = "progressed", {name: step[name] for name in ("name", "label", "detail")}
    elif new in _ENDS:
        kind, payload["sentence"] = new, sentence
    else:
        kind = "started" if old else "requested"
    by = {"kind": operation.actor_kind, "name": operation.actor_name}
    tell(
        fact(
            f"worker.operation.{kind}",
            at=at,
            topics=topics,
            worker=worker,
            subject=subject,
            operation=about,
            by=by,
            **payload,
        )
    )


_ALERT_STATES = {
    AlertChange.OPENED.value: (None, "open"),
    AlertChange.CLOSED.value: ("open", "closed"),
    AlertChange.ACKNOWLEDGED.value: ("open", "acknowledged"),
    AlertChange.UNACKNOWLEDGED.value: ("acknowledged", "open"),
}


def tell_alert(alert: Alert, change: str, *, by: Who, at: datetime, old_severity: str | None = None) -> None:
    """Something happened to an alert; `change` is a value of AlertChange, `old_severity` what it was where it became another."""
    topics = ["alerts"] + ([f"worker.{alert.worker_id}"] if alert.worker_id else [])
    changes = {}
    if change in _ALERT_STATES:
        changes["state"] = dict(zip(("old", "new"), _ALERT_STATES[change], strict=True))
    if old_severity is not None:
        changes["severity"] = {"old": old_severity, "new": alert.severity}
    about = {
        "id": alert.pk,
        "kind": alert.kind,
        "severity": alert.severity,
        "sentence": alert.closing or alert.sentence,
        "note": alert.note,
        "value": alert.value,
        "since": alert.since,
    }
    worker = {"id": alert.worker_id, "name": alert.worker_name, "region": alert.region}
    by_whom = {"kind": str(by.kind), "name": by.name}
    tell(fact(f"alert.{change}", at=at, topics=topics, alert=about, worker=worker, by=by_whom, changes=changes))
