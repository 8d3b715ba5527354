"""How the CML client reads odd values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from workers.clients.cml import (
    LabTile,
    SystemHealth,
    SystemStats,
    parse_version,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.9.1+build.7", (2, 9, 1)),
        ("2.11.0+sso", (2, 11, 0)),
        ("2.10", (2, 10, 0)),
        ("v2.4.0-dev0", (2, 4, 0)),
        ("3", (3, 0, 0)),
        ("", (0, 0, 0)),
        ("unknown", (0, 0, 0)),
        ("9" * 5000, (999999, 0, 0)),
    ],
)
def test_versions_are_read_leniently(text: str, expected: tuple[int, int, int]) -> None:
    assert parse_version(text) == expected


def test_integers_and_floats_and_odd_values_are_read_alike() -> None:
    def stats(cpu: Any, used: Any) -> dict[str, Any]:
        section = {"cpu": {"percent": cpu, "count": 4}, "memory": {"used": used, "total": 200}, "disk": {"used": 1, "total": 0}}
        return {"computes": {"a": {"hostname": "h", "is_controller": True, "stats": section}}, "all": section}

    assert SystemStats.read(stats(12, 50)).memory_percent == 25
    assert SystemStats.read(stats(12.5, 50.0)).cpu_percent == 12.5
    assert SystemStats.read(stats(140, 500)).cpu_percent == 100
    assert SystemStats.read(stats("12", [50])).cpu_percent is None
    assert SystemStats.read(stats(float("nan"), 10**400)).memory_percent is None
    assert SystemStats.read(stats(True, -5)).cpu_percent is None
    assert SystemStats.read(stats(1, 1)).disk_percent is None


def test_totals_come_from_the_compute_hosts_when_the_server_gives_none() -> None:
    def compute(count: int, percent: float, used: int) -> dict[str, Any]:
        return {
            "stats": {
                "cpu": {"count": count, "percent": percent},
                "memory": {"used": used, "total": 100},
                "dominfo": {"running_nodes": 3, "total_nodes": None},
            }
        }

    stats = SystemStats.read({"computes": {"a": compute(30, 10, 20), "b": compute(10, 50, 60)}})

    assert (stats.cpu_percent, stats.memory_percent, stats.disk_percent) == (20, 40, None)
    assert (stats.nodes_running, stats.nodes_total) == (6, None)


def test_health_names_what_fails_in_words() -> None:
    health = SystemHealth.read(
        {
            "valid": False,
            "is_licensed": None,
            "computes": {
                "a": {
                    "hostname": "cml-1",
                    "kvm_vmx_enabled": False,
                    "disk_overload": True,
                    "cpu_overload": False,
                    "valid": False,
                },
                "b": {"hostname": "cml-2", "something_{new}": False, "admission_state": "REGISTERED"},
            },
            "controller": {"images_loaded": False, "airhandler": None},
        }
    )

    assert health.reasons == (
        "hardware virtualisation is off on cml-1: this instance type cannot run nodes",
        "cml-1 is short of disk",
        "the check 'something new' fails on cml-2",
        "cml-2 is not ready to run nodes (it is REGISTERED)",
        "the image definitions are not loaded",
    )
    assert "without saying why" in SystemHealth.read({"valid": False}).reasons[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-08-20 17:25:30", datetime(2026, 8, 20, 17, 25, 30, tzinfo=UTC)),
        ("2026-08-20T17:25:30Z", datetime(2026, 8, 20, 17, 25, 30, tzinfo=UTC)),
        ("2026-08-20T17:25:30+02:00", datetime(2026, 8, 20, 15, 25, 30, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
        (1787246730, None),
        (None, None),
    ],
)
def test_times_are_aware_or_not_known(given: Any, expected: datetime | None) -> None:
    assert LabTile.read("id", {"created": given}).created_at == expected


def test_a_lab_whose_text_no_database_takes_is_cleaned() -> None:
    tile = LabTile.read("id", {"lab_title": "a\x00b\ud800c", "node_count": 10**30, "link_count": -1, "state": {"no": "text"}})

    assert (tile.title, tile.node_count, tile.link_count, tile.state) == ("ab?c", None, None, "")
