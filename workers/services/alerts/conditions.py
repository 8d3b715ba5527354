"""What is wrong with a worker, kind by kind, as far as the database knows. Nothing here reads or writes it.

A stopped machine has no usage, no status checks and no CML: their alerts close. Its licence stays, because the seat is still taken. Of a
machine that is gone only the fact that it is gone can be wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from cmlmanager import runtime
from workers.alert_choices import AlertKind, AlertSeverity, CloseReason
from workers.choices import LicenseState, MachineState, ServiceState
from workers.models import Worker, stale_after
from workers.querysets import GONE
from workers.services.alerts import usage
from workers.services.alerts.facts import Facts
from workers.services.alerts.verdicts import KEEP, Clear, Raise, Verdict

CRITICAL, WARNING = AlertSeverity.CRITICAL, AlertSeverity.WARNING
_NEEDS_MACHINE = {AlertKind.CPU, AlertKind.MEMORY, AlertKind.DISK, AlertKind.NOT_READY, AlertKind.CHECKS}
_NEEDS_INSTANCE = _NEEDS_MACHINE | {AlertKind.STALE, AlertKind.LICENSE, AlertKind.LICENSE_EXPIRY}
_ENDED = (*GONE, MachineState.SHUTTING_DOWN)


def verdict(kind: AlertKind, worker: Worker, facts: Facts) -> Verdict:
    """What `facts` say of this kind of alert on this worker."""
    mute = facts.book.mute(worker.pk, kind)
    if mute:
        return Clear(sentence=f"Muted by {mute.muted_name}: {mute.reason}", reason=CloseReason.MUTED)
    off = worker.machine_state in _ENDED if kind in _NEEDS_INSTANCE else False
    if off or (kind in _NEEDS_MACHINE and worker.machine_state != MachineState.RUNNING):
        return Clear(sentence=f"The machine is {worker.machine.label.lower()}.", reason=CloseReason.MACHINE)
    return _CONDITIONS[kind](kind, worker, facts)


def _usage(kind: AlertKind, worker: Worker, facts: Facts) -> Verdict:
    readings, fresh_after = facts.readings(worker, kind)
    standing = facts.alerts.get((worker.pk, kind))
    return usage.judge(
        kind,
        readings,
        facts.book.lines(worker.pk, kind),
        standing=standing.level if standing else None,
        fresh_after=fresh_after,
    )


def _machine(kind: AlertKind, worker: Worker, facts: Facts) -> Verdict:
    since = worker.machine_state_since
    if worker.machine_state == MachineState.LOST:
        sentence = worker.machine_state_reason or "EC2 no longer knows this machine, and the portal did not terminate it."
        return Raise(severity=CRITICAL, sentence=sentence, since=since)
    if worker.machine_state == MachineState.FAILED:
        # Whoever asked for it has been told, and nothing is being paid for.
        sentence = worker.machine_state_reason or "The machine could not be created."
        return Raise(severity=WARNING, sentence=sentence, since=since)
    return Clear(sentence=f"The machine is {worker.machine.label.lower()}.")


def _checks(kind: AlertKind, worker: Worker, facts: Facts) -> Verdict:
    # Words as in the EC2 API reference, InstanceStatusSummary: ok, impaired, insufficient-data, not-applicable, initializing.
    checks = {"system": worker.system_check, "instance": worker.instance_check}
    failed = [name for name, word in checks.items() if word == "impaired"]
    if failed:
        which = " and ".join(failed)
        sentence = f"EC2’s {which} status check{'s' if len(failed) > 1 else ''} failed. Stopping and starting moves the machine to other hardware."
        return Raise(severity=CRITICAL, sentence=sentence, since=facts.now)
    if set(checks.values()) & {"insufficient-data", ""}:
        return KEEP
    return Clear(sentence="EC2’s status checks pass.")


def _not_ready(kind: AlertKind, worker: Worker, facts: Facts) -> Verdict:
    if worker.service_state in (ServiceState.READY, ServiceState.DEGRADED):
        return Clear(sentence=f"CML is {worker.service.label.lower()}.")
    if not _was_asked_lately(worker, facts):
        return KEEP  # nobody has asked lately: that is what the alert on old knowledge is for
    # The state may have moved between starting and unreachable since; what counts is when it was last ready.
    since = max(worker.machine_state_since, facts.left_ready.get(worker.pk, worker.machine_state_since))
    lines = facts.book.lines(worker.pk, kind)
    minutes = (facts.now - since) / timedelta(minutes=1)
    if minutes < lines.warning:
        return Clear(sentence=f"CML is not ready for less than {lines.warning} min.")
    why = worker.service_reasons[0] if worker.service_reasons else worker.service.look.hint
    severity, line = (CRITICAL, lines.critical) if minutes >= lines.critical else (WARNING, lines.warning)
    return Raise(
        severity=severity, sentence=f"The machine runs, but CML has not been ready for more than {line} min. {why}", since=since
    )


def _stale(kind: AlertKind, worker: Worker, facts: Facts) -> Verdict:
    lines = facts.book.lines(worker.pk, kind)
    ages = {name: facts.now - at for name, at in _last_answers(worker, facts).items()}
    old = {name: age for name, age in ages.items() if age > timedelta(minutes=lines.warning)}
    if not old:
        return Clear(sentence="EC2 and CML answer again." if ages else "There is nothing to ask.")
    if any(facts.is_about_to_be_read(worker, name) for name in old):
        return KEEP
    severity, line = WARNING, lines.warning
    if max(old.values()) > timedelta(minutes=lines.critical):
        severity, line = CRITICAL, lines.critical
    words = "; ".join(f"{name} last answered at {(facts.now - age):%H:%M on %-d %b %Y} UTC" for name, age in old.items())
    sentence = f"What is known is more than {line} min old: {words}."
    return Raise(severity=severity, sentence=sentence, since=facts.now - max(old.values()))


def _was_asked_lately(worker: Worker, facts: Facts) -> bool:
    """Whether what is said of CML comes from a look that is not old itself."""
    asked_at = worker.cml_checked_at
    return asked_at is not None and facts.now - asked_at <= stale_after(runtime.value("CML_INTERVAL"))


def _last_answers(worker: Worker, facts: Facts) -> dict[str, datetime]:
    """EC2 and CML, each with when it last answered or could first have answered; without those that cannot be expected to."""
    answers = {}
    if worker.instance_id:
        answers["EC2"] = worker.aws_succeeded_at or worker.created_at
    # A CML that was asked and gave no answer is known not to answer; its own alert says so.
    silent = worker.service_state in (ServiceState.UNREACHABLE, ServiceState.REFUSED, ServiceState.STARTING)
    if worker.machine_state == MachineState.RUNNING and not (silent and _was_asked_lately(worker, facts)):
        # Nobody could ask before the machine ran, or before the portal met it.
        answers["CML"] = max(worker.machine_state_since, worker.cml_succeeded_at or worker.created_at)
    return answers


_LICENSES = {
    LicenseState.OUT_OF_COMPLIANCE: CRITICAL,
    LicenseState.EXPIRED: CRITICAL,
    LicenseState.FAILED: CRITICAL,
    LicenseState.UNREGISTERED: WARNING,
}


def _license(kind: AlertKind, worker: Worker, facts: Facts) -> Verdict:
    if worker.machine_state != MachineState.RUNNING:
        return KEEP  # nobody can ask it; what it last said stands
    severity = _LICENSES.get(worker.license)
    if severity:
        return Raise(severity=severity, sentence=f"{worker.license.label}: {_lower(worker.license.look.hint)}", since=facts.now)
    if worker.license in (LicenseState.UNKNOWN, LicenseState.OTHER, LicenseState.IN_PROGRESS):
        return KEEP
    return Clear(sentence=f"The licence is {worker.license.label.lower()}.")


def _lower(sentence: str) -> str:
    """A sentence to go on with after a colon; "CML" stays as it is."""
    return sentence if sentence[:2].isupper() else sentence[0].lower() + sentence[1:]


_EXPIRIES = {"registration": "license_expires_at", "authorization": "authorization_expires_at"}


def _license_expiry(kind: AlertKind, worker: Worker, facts: Facts) -> Verdict:
    ends = {word: at for word, field in _EXPIRIES.items() if (at := getattr(worker, field, None))}
    if not ends or worker.license in (LicenseState.UNREGISTERED, LicenseState.UNKNOWN):
        return Clear(sentence="There is no licence that could expire.")
    word, at = min(ends.items(), key=lambda item: item[1])
    lines = facts.book.lines(worker.pk, kind)
    left = at - facts.now
    if left > timedelta(days=lines.warning):
        return Clear(sentence=f"The licence holds until {at:%-d %b %Y}.")
    severity, line = (CRITICAL, lines.critical) if left <= timedelta(days=lines.critical) else (WARNING, lines.warning)
    verb = "expires" if left > timedelta(0) else "expired"
    sentence = f"The {word} of the licence {verb} on {at:%-d %b %Y}: {line} days or less are left. Renew it."
    return Raise(severity=severity, sentence=sentence, since=at - timedelta(days=lines.warning))


_CONDITIONS: dict[AlertKind, Callable[[AlertKind, Worker, Facts], Verdict]] = {
    AlertKind.MACHINE: _machine,
    AlertKind.CHECKS: _checks,
    AlertKind.NOT_READY: _not_ready,
    AlertKind.STALE: _stale,
    AlertKind.LICENSE: _license,
    AlertKind.LICENSE_EXPIRY: _license_expiry,
    AlertKind.CPU: _usage,
    AlertKind.MEMORY: _usage,
    AlertKind.DISK: _usage,
}
