"""CML's checks of itself, and what those that fail mean in words. Cisco CML 2.9 API, GET /system_health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.clients.cml.reading import flag, mapping, sequence, text


@dataclass(frozen=True, kw_only=True)
class ComputeHealth:
    """One compute host's checks as CML names them; None is "not known", which is no failure."""

    hostname: str
    is_controller: bool
    valid: bool | None
    admission_state: str
    checks: Mapping[str, bool | None]

    @classmethod
    def read(cls, value: Any) -> ComputeHealth:
        compute = mapping(value)
        return cls(
            hostname=text(compute.get("hostname")),
            is_controller=flag(compute.get("is_controller")) or False,
            valid=flag(compute.get("valid")),
            admission_state=text(compute.get("admission_state")),
            checks=_checks(compute),
        )


def _checks(value: Any) -> dict[str, bool | None]:
    known = mapping(value).items()
    return {
        text(name): flag(result)
        for name, result in known
        if (result is None or isinstance(result, bool))
        and name not in ("valid", "is_controller", "hostname", "admission_state")
    }


_FAILED_ON_HOST = {
    "kvm_vmx_enabled": "hardware virtualisation is off on {}: this instance type cannot run nodes",
    "enough_cpus": "{} has too few CPUs to run nodes",
    "lld_connected": "the low-level driver on {} is not connected to the controller",
    "lld_synced": "the low-level driver on {} is not in step with the controller yet",
    "libvirt": "libvirt does not work on {}: virtual machine nodes cannot start",
    "fabric": "the network fabric does not work on {}: nodes start without links",
    "device_mux": "the console multiplexer does not work on {}: consoles cannot be opened",
    "refplat_images_available": "the reference platform images are missing on {}: nodes have nothing to start from",
    "docker_shim": "the container service does not work on {}: container nodes cannot start",
}
_OVERLOADED = {"cpu_overload": "CPU", "memory_overload": "memory", "disk_overload": "disk"}  # since 2.10: true is bad
_FAILED_ON_CONTROLLER = {
    "core_connected": "the web server is not connected to CML's core service: restart the controller's services",
    "nodes_loaded": "the node definitions are not loaded",
    "images_loaded": "the image definitions are not loaded",
}


@dataclass(frozen=True, kw_only=True)
class SystemHealth:
    """CML's verdict on itself. `valid` None means that it does not know yet; `controller` are the controller's own checks."""

    valid: bool | None
    is_licensed: bool | None
    is_enterprise: bool | None
    computes: tuple[ComputeHealth, ...]
    controller: Mapping[str, bool | None]

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> SystemHealth:
        return cls(
            valid=flag(answer.get("valid")),
            is_licensed=flag(answer.get("is_licensed")),
            is_enterprise=flag(answer.get("is_enterprise")),
            computes=tuple(ComputeHealth.read(value) for value in sequence(answer.get("computes"))),
            controller=_checks(answer.get("controller")),
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong, in words, the worst first; empty when nothing is known to be."""
        found = [reason for compute in self.computes for reason in _host_reasons(compute)]
        found += [_FAILED_ON_CONTROLLER.get(name, _plain(name)) for name, good in self.controller.items() if good is False]
        if self.is_licensed is False:
            found.append("CML is not licensed: labs cannot start until it is registered")
        if self.valid is False and not found:
            found.append("CML calls its own health not valid without saying why: see Diagnostics in CML")
        return tuple(found)


def _host_reasons(compute: ComputeHealth) -> list[str]:
    host = compute.hostname or "a compute host"
    found = [
        _FAILED_ON_HOST.get(name, _plain(name) + " on {}").format(host)
        for name, good in compute.checks.items()
        if good is False and name not in _OVERLOADED
    ]
    found += [f"{host} is short of {_OVERLOADED[name]}" for name, bad in compute.checks.items() if bad and name in _OVERLOADED]
    if compute.admission_state not in ("", "READY"):
        found.append(f"{host} is not ready to run nodes (it is {compute.admission_state})")
    return found


def _plain(name: str) -> str:
    # braces are dropped since the result may serve as a format
    return f"the check {name.replace('_', ' ').translate({ord('{'): None, ord('}'): None})!r} fails"
