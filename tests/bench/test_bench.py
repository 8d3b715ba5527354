"""The benches run, say what they measured in the shape that is documented, and reach the goals that are counted and not timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("bench") / "found.json"
    command = [sys.executable, "-m", "tests.bench", "refresh", "page", "--quick", "--json", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(path.read_text()))


def line(report: dict[str, Any], key: str) -> dict[str, Any]:
    return next(found for found in report["lines"] if found["key"] == key)


def test_a_run_says_what_it_measured_and_on_what(report: dict[str, Any]) -> None:
    assert report["quick"] is True
    assert report["problems"] == {}
    assert set(report["seconds"]) == {"refresh", "page"}
    assert {"at", "cpu", "cores", "memory_gb", "python", "packages", "database"} <= set(report["machine"])
    for found in report["lines"]:
        assert set(found) == {"key", "what", "value", "unit", "plain", "goal", "note", "met"}
        assert (found["met"] is None) == (found["goal"] is None)
    missed = [found["key"] for found in report["lines"] if found["met"] is False]
    assert report["missed"] == missed


def test_a_run_names_no_path_and_no_host(report: dict[str, Any]) -> None:
    text = json.dumps(report)
    assert str(ROOT) not in text
    assert str(Path.home()) not in text
    assert "127.0.0.1" not in text


@pytest.mark.parametrize("key", ["refresh.aws_calls", "refresh.writes_unchanged", "page.queries"])
def test_the_goals_that_are_counted_are_met(report: dict[str, Any], key: str) -> None:
    found = line(report, key)
    assert found["met"] is True, found
    assert found["plain"] > found["value"]


def test_a_bench_that_does_not_exist_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "nonsense"], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert "there is no bench nonsense" in done.stderr


def test_the_load_of_streams_runs_by_itself_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    sizes = ["--clients", "60", "--workers", "100", "--rounds", "1", "--rate", "500"]
    for kind in ("events", "fragments"):
        command = [sys.executable, "-m", "tests.bench.sse_load", *sizes, "--kind", kind, "--json", str(path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=80)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = json.loads(path.read_text())["lines"]
        assert lines["sse_load.lost"] == [0, 0]
        assert lines["sse_load.p99"][0] > 0
