"""`make run` from the first start to Ctrl-C and back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.sandbox_process import ROOT, start_sandbox
from tests.simulated_cml import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def alive(pids: dict[str, int]) -> list[str]:
    """Which of the processes still run; a zombie does not."""
    found = []
    for name, pid in pids.items():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(name)
    return found


def descendants(session: int) -> set[int]:
    """Processes whose environment names our data folder cannot hide: everything that was started under `session`."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == session or parent in found:
                found.add(int(entry.name))
    return found


def readyz(url: str) -> int:
    with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
        return int(answer.status)


def test_it_starts_ends_without_a_trace_and_finds_its_data_again(tmp_path: Path) -> None:
    var = tmp_path / "var"
    first = start_sandbox(var)
    facts = first.facts
    assert readyz(first.url) == 200
    assert set(facts["pids"]) == {"sandbox", "redis", "aws", "cml", "web", "worker", "beat"}
    assert alive(facts["pids"]) == list(facts["pids"])
    instance_id = first.instance_id("ccna-evening")
    first.ec2().stop_instances(InstanceIds=[instance_id])
    children = descendants(first.process.pid)

    assert first.interrupt() == 0

    assert alive(facts["pids"]) == []
    assert [pid for pid in children if alive({"it": pid})] == []
    assert not (var / "sandbox.json").exists()

    second = start_sandbox(var, port=first.port)
    try:
        assert second.instance_id("ccna-evening") == instance_id
        state = second.ec2().describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]["State"]["Name"]
        assert state in {"stopping", "stopped"}
    finally:
        assert second.interrupt() == 0


def test_a_process_that_dies_is_started_again_and_a_killed_sandbox_takes_all_with_it(tmp_path: Path) -> None:
    sandbox = start_sandbox(tmp_path / "var")
    before = sandbox.facts["pids"]

    os.kill(before["worker"], signal.SIGKILL)
    after = eventually(lambda: (pids := sandbox.facts["pids"])["worker"] != before["worker"] and pids)
    assert readyz(sandbox.url) == 200

    children = descendants(sandbox.process.pid)
    sandbox.process.kill()
    sandbox.process.wait()
    eventually(lambda: not [pid for pid in children if alive({"it": pid})] and not alive(after), within=20)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "DATABASE_URL", "OIDC_ISSUER", "CML_PASSWORD"])
def test_it_refuses_to_start_beside_settings_of_a_real_installation(name: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], name: "real"}
    command = [sys.executable, "-m", "cmlmanager.sandbox", "--port", "1", "--var", str(tmp_path / "var")]

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert name in done.stderr
    assert not (tmp_path / "var").exists()


def test_a_port_in_use_is_named_with_a_way_out(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "cmlmanager.sandbox", "--port", str(port), "--var", str(tmp_path / "var")]
        start = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert f"PORT={port + 1}" in done.stderr
    assert time.monotonic() - start < 20
