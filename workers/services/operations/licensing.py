"""Steps that change a CML's licence: each looks how things are first, or remembers that it was asked, so that a repetition does nothing twice.

CML answers 204 at once and does the rest with Cisco in the background: a registration or renewal has ended when CML says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from workers import events
from workers.choices import MachineState, OperationKind, ServiceState
from workers.clients import cml
from workers.license_choices import RenewWhat
from workers.models import Event, Worker
from workers.services import record, vault
from workers.services.cml_story import license_state_of
from workers.services.licenses import details, seats, tokens
from workers.services.licenses.details import words_of
from workers.services.operations import asking
from workers.services.operations.steps import Done, Outcome, Stopped, Task, Wait

POLL = 2  # seconds between looks at CML
ENDED_WITHIN = timedelta(minutes=3)  # Cisco's own tools allow two
SETTLED_AFTER = timedelta(seconds=30)  # so long CML may show how it was before
REGISTER = "register"


def look(task: Task) -> Outcome:
    """Read the licence before anything is done: what comes later is judged by what changed."""
    up(task)
    found = task.cml.licensing()
    keep(task, found)
    task.operation.result["before"] = _marks(found)
    return Done(words_of(found))


def up(task: Task) -> Worker:
    """The worker, while CML can be asked. Raises Stopped, as a refusal, when a gate has shut meanwhile."""
    worker = task.worker
    nothing_done = not task.operation.result.get("sent_at")
    if worker.machine != MachineState.RUNNING:
        raise Stopped(f"{worker} is {worker.machine.label.lower()}: its CML cannot be asked.", nothing_done=nothing_done)
    if worker.service in {ServiceState.STARTING, ServiceState.REFUSED}:
        reasons = " ".join(worker.service_reasons)
        raise Stopped(f"CML on {worker} is {worker.service.label.lower()}. {reasons}".rstrip(), nothing_done=nothing_done)
    return worker


@transaction.atomic
def keep(task: Task, found: cml.Licensing) -> None:
    """What was read becomes the worker's, as the asker's doing."""
    worker = task.worker
    state, text = license_state_of(found)
    write(task, {"license_state": state.value, "license_text": text} | details.fields_of(found))
    Worker.objects.filter(pk=worker.pk).update(license_read_at=task.now)
    seats.seen(worker.pk, now=task.now, asked_at=task.operation.asked_at)


def write(task: Task, fields: dict[str, Any]) -> None:
    """Fields of the worker, with their lines in the audit as the asker's doing. Inside a transaction."""
    worker = task.worker
    changes = record.differences(worker, fields)
    story = record.apply(worker, changes, actor=asking.actor_of(task.operation), now=task.now)
    Event.objects.bulk_create(record.credited(story or [], task.operation))
    if story is not None and changes:
        events.announce_counts()
        events.announce_licenses()


# ── Register ───────────────────────────────────────────────────────────────────────────────────────────────────────
def register(task: Task) -> Outcome:
    """Hand CML the token. It is deleted as soon as CML has taken it."""
    worker, operation = up(task), task.operation
    before = task.cml.licensing()
    if operation.result.get("sent_at") and _has_moved(task, before, REGISTER):
        tokens.forget(operation)
        return Done("CML had taken the token already.")
    if before.registration_status.upper() == "COMPLETED" and not operation.parameters.get("reregister"):
        raise Stopped(f"{worker} was registered meanwhile; nothing was done.", nothing_done=True)
    token = _token(task)
    if token is None:
        return Done("CML had taken the token already.")
    send(task, lambda: task.cml.register_license(token=token, reregister=bool(operation.parameters.get("reregister"))))
    tokens.forget(operation)
    return Done("CML has taken the token.")


def _token(task: Task) -> str | None:
    """The token; None when an earlier try had come so far as to delete it. Raises Stopped when it is gone for another reason."""
    try:
        token = tokens.read(task.operation)
    except vault.UnableToDecrypt:
        raise Stopped("The stored token cannot be read any more: its key has left SECRETS_KEYS. Ask again.") from None
    if token is None and not task.operation.result.get("sent_at"):
        raise Stopped("The token waited too long and was deleted. Ask again.", nothing_done=True)
    return token


def wait_registered(task: Task) -> Outcome:
    """Until CML says that Cisco knows it and allows it; ends with CML's words when Cisco does not."""
    worker = up(task)
    found = task.cml.licensing()
    keep(task, found)
    before = task.operation.result["before"]
    settled = _has_moved(task, found, REGISTER) or task.lasted() > SETTLED_AFTER
    status, failure = found.registration_status.upper(), _failure(found.register_time)
    if settled and (failure or status in {"FAILED", "EXPIRED"}) and "PROGRESS" not in status:
        said = f"{words_of(found)}{f': {failure}' if failure else ''}"
        raise Stopped(f"Cisco did not register {worker}. CML says: {said}.")
    if settled and status == "COMPLETED":
        return _authorized(task, found, before)
    return _still(task, found, f"{worker} is not registered after {_minutes(ENDED_WITHIN)}. It goes on trying by itself.")


def _authorized(task: Task, found: cml.Licensing, before: dict[str, Any]) -> Outcome:
    """Registered: done when in compliance. An authorization that was bad before may be the former one for a moment."""
    status = found.authorization_status.upper()
    if status == "IN_COMPLIANCE":
        return Done(words_of(found))
    fresh = status != before["authorization"].upper() or task.lasted() > SETTLED_AFTER
    if fresh and status == "OUT_OF_COMPLIANCE":
        account = found.virtual_account or found.smart_account or "the account"
        raise Stopped(f"{task.worker} is registered, but out of compliance: more is in use than {account} holds.")
    if fresh and "EXPIRED" in status:
        raise Stopped(f"{task.worker} is registered, but not authorized. CML says: {words_of(found)}.")
    return _still(task, found, f"{task.worker} is registered, but not authorized after {_minutes(ENDED_WITHIN)}.")


# ── Renew ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def renew(task: Task) -> Outcome:
    """Have CML ask Cisco now."""
    up(task)
    what = RenewWhat(task.operation.parameters["what"])
    if task.operation.result.get("sent_at") and _has_moved(task, task.cml.licensing(), _renewal(what)):
        return Done("CML had begun already.")
    registration = what == RenewWhat.REGISTRATION
    send(task, task.cml.renew_registration if registration else task.cml.renew_authorization)
    return Done("CML has begun.")


def wait_renewed(task: Task) -> Outcome:
    """Until CML shows the outcome of a renewal begun since."""
    worker = up(task)
    what = RenewWhat(task.operation.parameters["what"])
    found = task.cml.licensing()
    keep(task, found)
    before = task.operation.result["before"]
    times = found.renew_time if what == RenewWhat.REGISTRATION else found.authorization_renew_time
    if not _has_moved(task, found, _renewal(what)):
        return _still(task, found, f"CML on {worker} shows no renewal after {_minutes(ENDED_WITHIN)}.")
    if failure := _failure(times):
        raise Stopped(f"The {what.label.lower()} of {worker} was not renewed. CML says: {words_of(found)}: {failure}.")
    if found.registration_status.upper() == "COMPLETED":
        return _authorized(task, found, before)
    return _still(task, found, f"{worker} is not in order after {_minutes(ENDED_WITHIN)}.")


# ── Product and nodes ──────────────────────────────────────────────────────────────────────────────────────────────
def set_product(task: Task) -> Outcome:
    """Choose the product; CML allows it only while it is not registered as another."""
    up(task)
    product = task.operation.parameters.get("product", "")
    if not product or task.cml.licensing().product == product:
        return Done("It stays.")
    send(task, lambda: task.cml.set_product_license(product))
    return Done(product)


def set_nodes(task: Task) -> Outcome:
    """Ask for so many expansion nodes, and see that CML shows them."""
    worker = up(task)
    count = task.operation.parameters.get("nodes")
    if count is None:
        return Done("It stays.")
    found = task.cml.licensing()
    feature = next((one for one in found.features if details.kind_of(one.feature_id) == details.NODES), None)
    if feature is None:
        raise Stopped(f"CML on {worker} has no licence for expansion nodes: {words_of(found)}.")
    if feature.maximum is not None and count > feature.maximum:
        raise Stopped(f"CML on {worker} takes at most {feature.maximum} expansion nodes, not {count}.")
    try:
        send(task, lambda: task.cml.set_feature_counts({feature.feature_id: count}))
    except Stopped as refused:
        if task.operation.kind != OperationKind.REGISTER:
            raise
        raise Stopped(
            f"{worker} is registered, but its nodes were not set. {refused.sentence}", detail=refused.detail
        ) from None
    return Done(f"{count} nodes")


def read_again(task: Task) -> Outcome:
    """What CML shows now. The deed is done: when CML cannot be read this moment, the refresh will do it."""
    try:
        found = task.cml.licensing()
    except cml.CmlError as error:
        Worker.objects.filter(pk=task.worker.pk).update(cml_due_at=task.now)
        return Done(f"CML could not be read just now: {error.sentence}")
    keep(task, found)
    return Done(words_of(found))


# ── Shared ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def send(task: Task, call: Callable[[], None]) -> None:
    """Ask CML for a change, remembered before, so that a lost answer is known to be lost. Raises Stopped for refusals, CmlError else."""
    if not task.remember(sent_at=task.now.isoformat()):
        raise Stopped("Somebody else goes on with this.")
    try:
        call()
    except cml.CmlError as error:
        if not error.maybe_done:
            task.remember(sent_at="")
        raise from_cml(task, error) from None


def from_cml(task: Task, error: cml.CmlError) -> cml.CmlError | Stopped:
    """What an error of CML means for a step: busy may pass, a refusal has changed nothing."""
    if isinstance(error, cml.CmlConflict):
        if task.is_last_attempt:
            words = f" It says: {error.description}." if error.description else ""
            return Stopped(
                f"CML on {task.worker} is busy with its licence and stays so.{words} Try again in some minutes.",
                detail=error.detail,
                nothing_done=True,
            )
        return cml.CmlConflict(error.sentence, error.detail, retryable=True, description=error.description)
    if isinstance(error, cml.CmlRejected | cml.CmlRefused):
        return Stopped(error.sentence, detail=error.detail, nothing_done=True)
    return error


def _still(task: Task, found: cml.Licensing, too_late: str) -> Outcome:
    if task.lasted() > ENDED_WITHIN:
        failure = _failure(found.register_time)
        raise Stopped(f"{too_late} CML says: {words_of(found)}{f': {failure}' if failure else ''}.")
    return Wait(POLL, f"CML says: {words_of(found)}")


def _failure(times: cml.LicensingAttempts) -> str:
    """CML's words about a failed attempt, "" for a good one."""
    failed = times.failure and times.failure.upper() != "OK" and times.success.upper() != "SUCCESS"
    return details.without_token(times.failure)[:300].rstrip(".") if failed else ""


def _marks(found: cml.Licensing) -> dict[str, Any]:
    """What tells a later reading from this one."""
    return {
        "authorization": found.authorization_status,
        REGISTER: [found.registration_status, *_attempt(found.register_time)],
        _renewal(RenewWhat.REGISTRATION): [*_attempt(found.renew_time), _time(found.registration_expires_at)],
        _renewal(RenewWhat.AUTHORIZATION): [
            *_attempt(found.authorization_renew_time),
            _time(found.authorization_expires_at),
        ],
    }


def _renewal(what: RenewWhat) -> str:
    return f"renew_{what.value}"


def _attempt(times: cml.LicensingAttempts) -> list[str]:
    # CML's times have whole seconds: two attempts in one differ by what came of them.
    return [_time(times.attempted_at), _failure(times)]


def _has_moved(task: Task, found: cml.Licensing, name: str) -> bool:
    """Whether CML shows that something was begun since the first look."""
    return bool(_marks(found)[name] != task.operation.result["before"][name])


def _time(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.0f} minutes"
