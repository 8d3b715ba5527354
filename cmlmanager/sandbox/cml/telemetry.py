"""The telemetry that `/telemetry/events` gives: what was done, between what a server tells by itself every hour.

It only grows and has neither pages nor filters, as on a real server; most of it is of no use to anybody.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cmlmanager.sandbox.cml.state import CmlState

USEFUL = (
    "start_lab",
    "stop_lab",
    "start_node",
    "stop_node",
    "queue_node",
    "wipe_node",
    "import_lab",
    "export_lab",
    "packet_capture",
    "user_activity",
)
CATEGORIES = (*USEFUL, "boot_node", "maintenance_state_change", "notice_state_change", "license_info", "lab_autostart")
_EVERY = 3600.0  # seconds
_ONCE = ("cpuinfo", "meminfo", "hypervisor", "blkinfo", "dmiinfo")
_LONGEST = 31 * 86400.0  # what is older is no longer made up, or old servers would answer for minutes


def events(state: CmlState, *, now: float) -> list[dict[str, Any]]:
    """All events until now, oldest first."""
    if not state.telemetry_opt_in:
        return []
    told = [(at, category, data) for category, at, data in state.telemetry]
    merged = sorted((one for one in (*told, *_own(state, now)) if one[0] <= now), key=lambda one: one[0])
    return [{"category": category, "timestamp": _time(at, category), "data": data} for at, category, data in merged]


def _own(state: CmlState, now: float) -> list[tuple[float, str, dict[str, Any]]]:
    began = max(state.created_at, now - _LONGEST)
    made: list[tuple[float, str, dict[str, Any]]] = [(began, category, {}) for category in _ONCE]
    at = began + _EVERY
    while at <= now:
        made.append((at, "running_nodes", {"period": 3600}))
        made.append((at + 1, "system_stats", {"period": 3600}))
        made.append((at + 2, "license_info", {"period": 3600}))
        at += _EVERY
    return made


def _time(at: float, category: str) -> str:
    """With Z and milliseconds for some categories, without a zone and with microseconds for others."""
    text = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
    return (
        text.isoformat(timespec="microseconds")
        if category in ("user_activity", "stop_lab")
        else f"{text.isoformat(timespec='milliseconds')}Z"
    )
