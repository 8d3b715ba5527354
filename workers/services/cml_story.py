"""What a look at CML means: states, sentences and figures of a worker."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from cmlmanager import runtime
from workers.choices import LicenseState, ServiceState, TlsPolicy, UsageSource
from workers.clients import cml
from workers.models import Sample, Worker
from workers.services.cml_reading import Reading
from workers.services.licenses import details
from workers.services.readiness import VIRTUALISATION_OFF, gates_found
from workers.services.trust import seen
from workers.services.usage import significant

# How long a CML may take to answer for the first time after its machine came up. Metal takes 15–20 minutes.
BOOT = timedelta(minutes=20)
# Beyond these it is said how long; a few steps, so that a page is not told anew at every look.
_LATE = tuple(timedelta(minutes=m) for m in (30, 60, 120, 240, 480, 1440))
# How many times the interval a server that keeps timing out is left alone, by its time-outs in a row: it holds a thread each time.
_PATIENCE = (1, 1, 2, 4, 6)
_NO_COMPUTE = "CML answers, but no compute can start nodes yet."
_SILENT = "CML does not answer yet; it usually takes 5 to 10 minutes, on metal up to 20."


def fields_of(worker: Worker, reading: Reading, *, now: datetime) -> dict[str, Any]:
    """The reading as fields of `worker`. What was not answered this time keeps its last value."""
    state, reasons = service_state(worker, reading, now=now)
    timeouts = min(worker.cml_timeouts + 1, 1000) if reading.timed_out else 0
    fields: dict[str, Any] = {
        "service_state": state.value,
        "service_reasons": [*reasons, *_patience_told(state, timeouts)],
        "cml_error": (reading.error.sentence if reading.error else reading.problem)[:500],
        "cml_timeouts": timeouts,
        "tls_seen": seen(worker, reading, now=now),
    }
    if reading.information and reading.information.version:
        fields["cml_version"] = reading.information.version[:48]
    if reading.account:
        learnt = {"asked_as": reading.asked_as, "learnt_at": now.isoformat(timespec="seconds")}
        fields["cml_account"] = asdict(reading.account) | learnt
    if reading.stats:
        fields |= _usage(worker, reading.stats)
    if reading.health:
        fields["health"] = _health(reading.health)
    # An answer without a status says nothing, least of all that the licence is gone.
    if reading.licensing and (reading.licensing.registration_status or reading.licensing.authorization_status):
        license_state, text = license_state_of(reading.licensing)
        fields |= {"license_state": license_state.value, "license_text": text} | details.fields_of(reading.licensing)
    return fields | {"gates": gates_found(worker, reading, fields, now=now)}


LONGEST_PATIENCE = max(_PATIENCE)  # intervals


def patience(timeouts: int) -> int:
    """How many intervals a server is left alone after so many time-outs in a row."""
    return _PATIENCE[min(timeouts, len(_PATIENCE) - 1)]


def _patience_told(state: ServiceState, timeouts: int) -> list[str]:
    if state == ServiceState.STARTING or patience(timeouts) == 1:
        return []
    times = timeouts if timeouts < len(_PATIENCE) else "several"
    minutes = max(1, round(patience(timeouts) * runtime.value("CML_INTERVAL") / 60))
    every = "minute" if minutes == 1 else f"{minutes} minutes"
    return [f"It timed out {times} times in a row, so it is asked only every {every}; Refresh asks at once."]


def service_state(worker: Worker, reading: Reading, *, now: datetime) -> tuple[ServiceState, list[str]]:
    """The service state and, unless it is simply ready, the sentences that explain it."""
    if reading.information is None:
        return _silent_state(worker, reading, now=now)
    if reading.refusal:
        return ServiceState.REFUSED, [reading.refusal.sentence]
    if not reading.information.ready:
        return ServiceState.STARTING, [_not_ready(reading), *_late(worker, now=now)]
    reasons = [reading.problem] if reading.problem else []
    reasons += [error.sentence for error in reading.errors.values()]
    if reading.health and reading.health.valid is False:
        reasons += reading.health.reasons or ("CML reports a fault without naming it.",)
    return (ServiceState.DEGRADED if reasons else ServiceState.READY), [_sentence(reason) for reason in reasons]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}{'' if words[-1:] in {'.', '!', '?', ''} else '.'}"


def _not_ready(reading: Reading) -> str:
    computes = reading.health.computes if reading.health else ()
    # A host without virtualisation starts no node however long one waits.
    if computes and all(compute.checks.get("kvm_vmx_enabled") is False for compute in computes):
        return VIRTUALISATION_OFF
    return _NO_COMPUTE


def _silent_state(worker: Worker, reading: Reading, *, now: datetime) -> tuple[ServiceState, list[str]]:
    if reading.problem or reading.error is None:
        return ServiceState.UNREACHABLE, [reading.problem]
    if isinstance(reading.error, cml.CmlRefused):
        return ServiceState.REFUSED, [_refused(worker, reading)]
    booting = now - worker.machine_state_since < BOOT and not _answered_since_start(worker)
    if isinstance(reading.error, cml.CmlNotReady) or (booting and isinstance(reading.error, cml.CmlUnreachable)):
        return ServiceState.STARTING, [_SILENT, *_late(worker, now=now)]
    return ServiceState.UNREACHABLE, [reading.error.sentence]


def _refused(worker: Worker, reading: Reading) -> str:
    """Why not, and for a certificate what an administrator can do."""
    assert reading.error is not None
    if not reading.certificate or not isinstance(reading.error, cml.CmlCertificateRefused):
        return reading.error.sentence
    if worker.tls_policy == TlsPolicy.PINNED and worker.tls_fingerprint:
        return (
            "The server shows another certificate than the trusted one: it was renewed or reinstalled, or somebody stands in between. "
            "Compare the two under Edit connection."
        )
    if worker.tls_policy == TlsPolicy.PINNED:
        return reading.error.sentence
    return "The server's certificate is not accepted. An administrator can compare it and trust it under Edit connection."


def _late(worker: Worker, *, now: datetime) -> list[str]:
    """That it has been starting for far longer than usual, and what to do."""
    if not _answered_since_start(worker):
        began = worker.machine_state_since
    else:
        began = worker.service_state_since if worker.service_state == ServiceState.STARTING else now
    passed = [limit for limit in _LATE if now - began >= limit]
    if not passed:
        return []
    minutes = int(passed[-1].total_seconds() // 60)
    span = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
    return [f"It has been starting for more than {span}, far longer than usual: look at its console, or stop and start it."]


def _answered_since_start(worker: Worker) -> bool:
    return worker.cml_succeeded_at is not None and worker.cml_succeeded_at > worker.machine_state_since


def _usage(worker: Worker, stats: cml.SystemStats) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in (("cpu", stats.cpu_percent), ("memory", stats.memory_percent), ("disk", stats.disk_percent)):
        if value is None and name == "cpu" and worker.cpu_source == UsageSource.CLOUDWATCH:
            continue  # what CML does not say must not hide what CloudWatch says
        rounded = None if value is None else round(min(100.0, max(0.0, value)), 1)
        if significant(getattr(worker, name), rounded) or (name == "cpu" and worker.cpu_source != UsageSource.CML):
            found[name] = rounded
            if name == "cpu":
                found["cpu_source"] = UsageSource.CML.value
    computes = [
        {
            "hostname": compute.hostname,
            "is_controller": compute.is_controller,
            "cpu_count": compute.cpu_count,
            "cpu_model": compute.cpu_model,
            "memory_total": compute.memory_total,
            "disk_total": compute.disk_total,
            "nodes_running": compute.nodes_running,
            "nodes_total": compute.nodes_total,
        }
        for compute in stats.computes
    ]
    return found | {"nodes_running": stats.nodes_running, "nodes_total": stats.nodes_total, "computes": computes}


def _health(health: cml.SystemHealth) -> dict[str, Any]:
    return {"computes": [asdict(compute) for compute in health.computes], "controller": dict(health.controller)}


def license_state_of(licensing: cml.Licensing) -> tuple[LicenseState, str]:
    """The licence's state and CML's own words. Registration and authorization are two things: in order needs both.

    Words as in Cisco CML 2.9 API, /licensing: registration NOT_REGISTERED, IN_PROGRESS, COMPLETED, RETRY_…, FAILED, EXPIRED;
    authorization INIT, IN_COMPLIANCE, OUT_OF_COMPLIANCE, AUTHORIZATION_EXPIRED, EVAL_MODE, EVAL_EXPIRED.
    """
    registration = licensing.registration_status.upper()
    authorization = licensing.authorization_status.upper()
    text = ", ".join(
        word for word in (licensing.registration_status, licensing.authorization_status, licensing.product) if word
    )
    return _license_state(registration, authorization), text[:255]


def _license_state(registration: str, authorization: str) -> LicenseState:
    if "EXPIRED" in registration or "EXPIRED" in authorization:
        return LicenseState.EXPIRED
    if "EVAL" in authorization:
        return LicenseState.EVALUATION
    if registration == "COMPLETED":
        return _AUTHORIZATIONS.get(authorization, LicenseState.OTHER)
    if registration.startswith("RETRY"):
        return LicenseState.IN_PROGRESS
    return _REGISTRATIONS.get(registration, LicenseState.OTHER)


_AUTHORIZATIONS = {
    "IN_COMPLIANCE": LicenseState.REGISTERED,
    "OUT_OF_COMPLIANCE": LicenseState.OUT_OF_COMPLIANCE,
    "": LicenseState.IN_PROGRESS,
    "INIT": LicenseState.IN_PROGRESS,
    "PENDING": LicenseState.IN_PROGRESS,
}
_REGISTRATIONS = {
    "": LicenseState.UNKNOWN,
    "NOT_REGISTERED": LicenseState.UNREGISTERED,
    "UNREGISTERED": LicenseState.UNREGISTERED,
    "DEREGISTERED": LicenseState.UNREGISTERED,
    "IN_PROGRESS": LicenseState.IN_PROGRESS,
    "FAILED": LicenseState.FAILED,
}


def sample_of(worker: Worker, reading: Reading, *, now: datetime) -> Sample | None:
    """The reading's figures for the history, exactly as measured; None when CML gave none."""
    stats = reading.stats
    if stats is None:
        return None
    return Sample(
        worker=worker,
        at=now.replace(microsecond=0),
        source=UsageSource.CML,
        cpu=_bounded(stats.cpu_percent),
        memory=_bounded(stats.memory_percent),
        disk=_bounded(stats.disk_percent),
        nodes=stats.nodes_running,
        labs=worker.labs_running,
    )


def _bounded(value: float | None) -> float | None:
    return None if value is None else min(100.0, max(0.0, value))
