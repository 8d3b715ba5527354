"""What CML tells of the server: version, use of its hardware, its hosts and its maintenance mode."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workers.clients.cml.reading import flag, integer, mapping, number, percent, sequence, share, text


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
class ComputeHost:
    """One host of the cluster as its controller registered it. `admission_state`: UNREGISTERED, REGISTERED, ONLINE or READY."""

    compute_id: str
    hostname: str
    server_address: str
    admission_state: str
    is_connector: bool | None
    is_simulator: bool | None
    is_connected: bool | None
    is_synced: bool | None
    nodes_running: int | None
    nodes_total: int | None

    @classmethod
    def read(cls, value: Any) -> ComputeHost:
        host = mapping(value)
        nodes = mapping(host.get("node_counts"))
        return cls(
            compute_id=text(host.get("id")),
            hostname=text(host.get("hostname")),
            server_address=text(host.get("server_address")),
            admission_state=text(host.get("admission_state")),
            is_connector=flag(host.get("is_connector")),
            is_simulator=flag(host.get("is_simulator")),
            is_connected=flag(host.get("is_connected")),
            is_synced=flag(host.get("is_synced")),
            nodes_running=integer(nodes.get("running_nodes")),
            nodes_total=integer(nodes.get("total_nodes")),
        )
