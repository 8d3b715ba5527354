"""Telemetry that moves as a real server's does: it follows the running nodes, drifts slowly, trembles, and stays in range."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from cmlmanager.sandbox.cml.elements import BOOTED
from cmlmanager.sandbox.cml.state import CmlState

GIB = 1024**3
_CPUS_PER_NODE = 0.42  # what a booted router or switch uses of the CPUs given to it, on average
_MEMORY_PER_NODE = 1.15 * GIB
_MEMORY_OF_CML = 6 * GIB
_DISK_OF_CML = 34 * GIB  # system and reference platform images
_DISK_PER_NODE = 0.35 * GIB
_DISK_PER_RUNNING_NODE = 0.6 * GIB
_NOISE_SECONDS = 7.0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A server's use of its hardware at one moment: percent of all CPUs, bytes, load averages."""

    cpu_percent: float
    memory_used: float
    memory_total: float
    disk_used: float
    disk_total: float
    load: tuple[float, float, float]


def usage(state: CmlState, *, now: float) -> Usage:
    """The use at `now` (epoch seconds): the same for the same moment, so that two readers see one server."""
    running, total = state.running_nodes(), len(state.nodes())
    cpu = _cpu(state, running, now)
    memory_total = state.memory_gib * GIB * 0.985  # the kernel keeps a part for itself
    wave = 0.02 * math.sin(now / 1700 + _offset(state, "memory")) + 0.006 * _noise(state, "memory", now)
    memory = min(0.97 * memory_total, (_MEMORY_OF_CML + running * _MEMORY_PER_NODE) * (1 + wave))
    disk_total = state.disk_gib * GIB * 0.97
    disk = _DISK_OF_CML + total * _DISK_PER_NODE + running * _DISK_PER_RUNNING_NODE * (1 + _grown(state, now))
    recent = [_cpu(state, running, now - back) * state.cpus / 100 for back in (15, 150, 450)]
    return Usage(
        cpu_percent=cpu,
        memory_used=memory,
        memory_total=memory_total,
        disk_used=min(0.98 * disk_total, disk),
        disk_total=disk_total,
        load=(recent[0], recent[1], recent[2]),
    )


def stats_section(state: CmlState, *, now: float, host: str = "") -> dict[str, Any]:
    """`cpu`, `memory`, `disk` and `dominfo` of one compute host as `/system_stats` gives them: integers since 2.10.

    The hosts of a cluster have equal parts of its hardware, and of its load as many as they have nodes.
    """
    hosts = len(state.computes())
    here = host or state.compute_id
    nodes = [node for node in state.nodes() if hosts == 1 or (state.compute_of(node) or state.compute_id) == here]
    running = [node for node in nodes if node.state == BOOTED]
    busy = len(running) / all_running if hosts > 1 and (all_running := state.running_nodes()) else 1 / hosts
    figures = usage(state, now=now)
    cpus = max(1, state.cpus // hosts)
    percent = min(100.0, figures.cpu_percent * hosts * busy)
    return {
        "cpu": {
            "count": cpus,
            "percent": _percent(state, percent),
            "model": "Intel(R) Xeon(R) Platinum 8252C CPU @ 3.80GHz",
            "hyperthreading": True,
            "predicted": sum(node.cpus for node in running) * 100 // cpus,
            "load": [round(value * busy, 4) for value in figures.load],
        },
        "memory": _size(state, figures.memory_used * busy, figures.memory_total / hosts, buffers=0.02),
        "disk": _size(state, figures.disk_used / hosts, figures.disk_total / hosts, buffers=0.0),
        "dominfo": {
            "total_nodes": len(nodes),
            "total_orphans": 0,
            "running_nodes": len(running),
            "running_orphans": 0,
            "allocated_cpus": sum(node.cpus for node in running),
            "allocated_memory": sum(node.ram for node in running) * 1024,
        },
    }


def all_section(state: CmlState, *, now: float) -> dict[str, Any]:
    """The sum of all compute hosts."""
    figures = usage(state, now=now)
    return {
        "cpu": {"count": state.cpus, "percent": _percent(state, figures.cpu_percent)},
        "memory": _size(state, figures.memory_used, figures.memory_total, buffers=0.02),
        "disk": _size(state, figures.disk_used, figures.disk_total, buffers=0.0),
    }


def _percent(state: CmlState, value: float) -> float:
    return round(value) if state.is_210 else round(value, 4)


def _size(state: CmlState, used: float, total: float, *, buffers: float) -> dict[str, float]:
    """`used` and `free` do not add up to `total` on a real server either: buffers are neither."""
    kind = int if state.is_210 else float
    used = min(used, 0.98 * total)
    return {"used": kind(int(used)), "free": kind(int((total - used) * (1 - buffers))), "total": kind(int(total))}


def _cpu(state: CmlState, running: int, now: float) -> float:
    level = state.base_load + min(88.0, running * _CPUS_PER_NODE * 100 / max(1, state.cpus))
    slow = 0.10 * math.sin(now / 900 + _offset(state, "hour")) + 0.05 * math.sin(now / 140 + _offset(state, "minute"))
    return min(100.0, max(0.1, level * (1 + slow) + (0.4 + 0.03 * level) * _noise(state, "cpu", now)))


def _grown(state: CmlState, now: float) -> float:
    """How much the running nodes' disks have grown: fast at first, towards double within days."""
    return 1 - math.exp(-max(0.0, now - state.created_at) / (3 * 86400))


def _offset(state: CmlState, what: str) -> float:
    return random.Random(f"{state.instance_id}/{what}").uniform(0, 2 * math.pi)


def _noise(state: CmlState, what: str, now: float) -> float:
    """Value noise in -1..1: random at each step of time, joined smoothly between steps."""
    step, part = divmod(now / _NOISE_SECONDS, 1)
    before, after = (random.Random(f"{state.instance_id}/{what}/{step + k:.0f}").uniform(-1, 1) for k in (0, 1))
    smooth = part * part * (3 - 2 * part)
    return before + (after - before) * smooth
