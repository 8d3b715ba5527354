"""What a look at CML means: states, sentences and figures of a worker."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from workers.choices import LicenseState, ServiceState, UsageSource
from workers.clients import cml
from workers.models import Sample, Worker
from workers.services.cml_reading import Reading
from workers.services.usage import significant

# How long a CML may take to answer for the first time after its machine came up. Metal takes 15–20 minutes.
BOOT = timedelta(minutes=20)


def fields_of(worker: Worker, reading: Reading, *, now: datetime) -> dict[str, Any]:
    """The reading as fields of `worker`. What was not answered this time keeps its last value."""
    state, reasons = service_state(worker, reading, now=now)
    fields: dict[str, Any] = {
        "service_state": state.value,
        "service_reasons": reasons,
        "cml_error": (reading.error.sentence if reading.error else reading.problem)[:500],
    }
    if reading.information and reading.information.version:
        fields["cml_version"] = reading.information.version[:48]
    if reading.stats:
        fields |= _usage(worker, reading.stats)
    if reading.health:
        fields["health"] = _health(reading.health)
    if reading.licensing:
        license_state, text = license_state_of(reading.licensing)
        fields |= {"license_state": license_state.value, "license_text": text}
    return fields


def service_state(worker: Worker, reading: Reading, *, now: datetime) -> tuple[ServiceState, list[str]]:
    """The service state and, unless it is simply ready, the sentences that explain it."""
    if reading.information is None:
        return _silent_state(worker, reading, now=now)
    if isinstance(reading.error, cml.CmlRefused):
        return ServiceState.REFUSED, [reading.error.sentence]
    if not reading.information.ready:
        return ServiceState.STARTING, ["CML answers, but no compute can start nodes yet."]
    reasons = [reading.problem] if reading.problem else []
    reasons += [error.sentence for error in reading.errors.values()]
    if reading.health and reading.health.valid is False:
        reasons += reading.health.reasons or ("CML reports a fault without naming it.",)
    return (ServiceState.DEGRADED if reasons else ServiceState.READY), reasons


def _silent_state(worker: Worker, reading: Reading, *, now: datetime) -> tuple[ServiceState, list[str]]:
    if reading.problem or reading.error is None:
        return ServiceState.UNREACHABLE, [reading.problem]
    if isinstance(reading.error, cml.CmlRefused):
        return ServiceState.REFUSED, [reading.error.sentence]
    booting = now - worker.machine_state_since < BOOT and not _answered_since_start(worker)
    if isinstance(reading.error, cml.CmlNotReady) or (booting and isinstance(reading.error, cml.CmlUnreachable)):
        return ServiceState.STARTING, ["CML does not answer yet; it usually takes 5 to 10 minutes, on metal up to 20."]
    return ServiceState.UNREACHABLE, [reading.error.sentence]


def _answered_since_start(worker: Worker) -> bool:
    return worker.cml_succeeded_at is not None and worker.cml_succeeded_at > worker.machine_state_since


def _usage(worker: Worker, stats: cml.SystemStats) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in (("cpu", stats.cpu_percent), ("memory", stats.memory_percent), ("disk", stats.disk_percent)):
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
