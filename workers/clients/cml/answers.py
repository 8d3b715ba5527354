"""What CML answers, as frozen dataclasses.

Missing, null and odd values become None or an empty default; unknown ones are ignored.
Field names and shapes: Cisco CML 2.9 API; differences of 2.10 are said at the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workers.clients.cml.reading import flag, integer, mapping, moment, number, percent, sequence, share, text


def parse_version(version: str) -> tuple[int, int, int]:
    """("2.11.0+sso") -> (2, 11, 0). What is missing counts as 0, and so does a text that is no version at all."""
    match = re.match(r"\s*v?(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?", version)
    if match is None:
        return (0, 0, 0)
    major, minor, patch = (int(part or 0) for part in match.groups())
    return (major, minor, patch)


@dataclass(frozen=True, kw_only=True)
class SystemInformation:
    """`version` as CML writes it ("2.9.1+build.7"), "" when not told; `ready`: at least one compute host can start nodes."""

    version: str
    ready: bool

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> SystemInformation:
        return cls(version=text(answer.get("version")), ready=flag(answer.get("ready")) or False)


@dataclass(frozen=True, kw_only=True)
class ComputeStats:
    """One compute host's use of its hardware. Percentages 0-100, sizes in bytes, `load` the 1, 5 and 15 minute averages."""

    compute_id: str
    hostname: str
    is_controller: bool
    cpu_count: int | None
    cpu_percent: float | None
    cpu_model: str
    load: tuple[float, ...]
    memory_used: int | None
    memory_total: int | None
    disk_used: int | None
    disk_total: int | None
    nodes_running: int | None
    nodes_total: int | None

    @classmethod
    def read(cls, compute_id: str, value: Any) -> ComputeStats:
        compute = mapping(value)
        stats = mapping(compute.get("stats"))
        cpu, memory, disk = (mapping(stats.get(part)) for part in ("cpu", "memory", "disk"))
        nodes = mapping(stats.get("dominfo"))
        return cls(
            compute_id=text(compute_id),
            hostname=text(compute.get("hostname")),
            is_controller=flag(compute.get("is_controller")) or False,
            cpu_count=integer(cpu.get("count")),
            cpu_percent=percent(cpu.get("percent")),
            cpu_model=text(cpu.get("model")),
            load=tuple(load for item in sequence(cpu.get("load")) if (load := number(item)) is not None),
            memory_used=integer(memory.get("used")),
            memory_total=integer(memory.get("total")),
            disk_used=integer(disk.get("used")),
            disk_total=integer(disk.get("total")),
            nodes_running=integer(nodes.get("running_nodes")),
            nodes_total=integer(nodes.get("total_nodes")),
        )


@dataclass(frozen=True, kw_only=True)
class SystemStats:
    """The whole server's use: percentages 0-100 over all compute hosts, None when CML did not tell; nodes are lab nodes.

    Memory and disk are what is used of the total: CML's `used` and `free` do not add up to it.
    """

    cpu_percent: float | None
    memory_percent: float | None
    disk_percent: float | None
    nodes_running: int | None
    nodes_total: int | None
    computes: tuple[ComputeStats, ...]

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> SystemStats:
        computes = tuple(ComputeStats.read(key, value) for key, value in mapping(answer.get("computes")).items())
        whole = mapping(answer.get("all"))
        cpu, memory, disk = (mapping(whole.get(part)) for part in ("cpu", "memory", "disk"))
        cpu_percent = percent(cpu.get("percent"))
        memory_percent = share(memory.get("used"), memory.get("total"))
        disk_percent = share(disk.get("used"), disk.get("total"))
        return cls(
            cpu_percent=_cpu_of(computes) if cpu_percent is None else cpu_percent,
            memory_percent=_share_of((c.memory_used, c.memory_total) for c in computes)
            if memory_percent is None
            else memory_percent,
            disk_percent=_share_of((c.disk_used, c.disk_total) for c in computes) if disk_percent is None else disk_percent,
            nodes_running=_sum(c.nodes_running for c in computes),
            nodes_total=_sum(c.nodes_total for c in computes),
            computes=computes,
        )


def _cpu_of(computes: tuple[ComputeStats, ...]) -> float | None:
    """The hosts' mean, weighted by their number of CPUs."""
    known = [(c.cpu_percent, c.cpu_count or 1) for c in computes if c.cpu_percent is not None]
    cpus = sum(count for _, count in known)
    return sum(value * count for value, count in known) / cpus if cpus else None


def _share_of(pairs: Iterable[tuple[int | None, int | None]]) -> float | None:
    known = [(used, total) for used, total in pairs if used is not None and total is not None]
    return share(sum(used for used, _ in known), sum(total for _, total in known))


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


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


@dataclass(frozen=True, kw_only=True)
class LabTile:
    """One lab as CML's dashboard shows it. `state` is DEFINED_ON_CORE, STOPPED or STARTED, "" when not told.

    A tile whose content is odd is still a tile: the lab exists, only its details are not known.
    """

    lab_id: str
    title: str
    state: str
    owner_username: str
    node_count: int | None
    link_count: int | None
    created_at: datetime | None
    modified_at: datetime | None
    description: str

    @classmethod
    def read(cls, lab_id: str, value: Any) -> LabTile:
        tile = mapping(value)
        return cls(
            lab_id=text(lab_id),
            title=text(tile.get("lab_title")),
            state=text(tile.get("state")),
            owner_username=text(tile.get("owner_username")),
            node_count=integer(tile.get("node_count")),
            link_count=integer(tile.get("link_count")),
            created_at=moment(tile.get("created")),
            modified_at=moment(tile.get("modified")),
            description=text(tile.get("lab_description")),
        )
