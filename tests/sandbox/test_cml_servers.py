"""Which simulated CML servers run, how they boot, and what they keep and show."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from cmlmanager.sandbox.cml.boot import BootTimes, Phase
from cmlmanager.sandbox.cml.certificates import ensure_certificate, fingerprint
from cmlmanager.sandbox.cml.numbers import stats_section, usage
from cmlmanager.sandbox.cml.seed import first_state
from cmlmanager.sandbox.cml.state import CmlState
from cmlmanager.sandbox.cml.topology import topology
from cmlmanager.sandbox.fleet import FLEET
from tests.simulated_cml import (
    ServerSpec,
    SimulatedCml,
    SimulatedFleet,
    eventually,
    http,
    signed_in,
    start_simulated_cml,
)

# --- boot


@pytest.mark.parametrize(
    ("seconds", "speed", "phase"),
    [
        (0, 1, Phase.SILENT),
        (11.9, 1, Phase.SILENT),
        (12, 1, Phase.BAD_GATEWAY),
        (19.9, 1, Phase.BAD_GATEWAY),
        (20, 1, Phase.STARTING),
        (30, 1, Phase.READY),
        (3, 10, Phase.READY),
        (86400, 1, Phase.READY),
        (-5, 1, Phase.SILENT),
    ],
)
def test_boot_phases(seconds: float, speed: float, phase: Phase) -> None:
    assert BootTimes(speed=speed).phase(seconds) is phase


def test_while_starting_the_server_answers_but_is_not_healthy(tmp_path: Path) -> None:
    with start_simulated_cml(tmp_path, servers=[ServerSpec(running_for=21)]) as fleet, signed_in(fleet[0]) as client:
        assert client.get("/system_information").json()["ready"] is False
        health = client.get("/system_health").json()
        assert health["valid"] is False
        assert health["computes"].popitem()[1]["admission_state"] == "ONLINE"


# --- which servers run


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[SimulatedFleet]:
    with start_simulated_cml(tmp_path) as fleet:
        yield fleet


def answers(server: SimulatedCml) -> bool:
    try:
        with http(server) as client:
            return client.get("/system_information").status_code == 200
    except httpx.TransportError:
        return False


def test_a_stopped_instance_stops_answering_and_keeps_its_labs_but_not_their_nodes_running(fleet: SimulatedFleet) -> None:
    server = fleet[0]
    with signed_in(server) as client:
        labs = client.get("/populate_lab_tiles").json()["lab_tiles"]
    was = server.fingerprint

    fleet.instances.put(server.spec, state="stopping")
    eventually(lambda: not answers(server))
    assert fleet.reports() == []
    fleet.instances.put(replace(server.spec, running_for=1800))
    eventually(lambda: answers(server))

    with signed_in(server) as client:
        again = client.get("/populate_lab_tiles").json()["lab_tiles"]
    assert {lab: tile["lab_title"] for lab, tile in again.items()} == {lab: tile["lab_title"] for lab, tile in labs.items()}
    assert {tile["state"] for tile in labs.values()} >= {"STARTED"}
    assert {tile["state"] for tile in again.values()} == {"STOPPED", "DEFINED_ON_CORE"}
    assert server.fingerprint == was


def test_everything_is_kept_when_the_process_restarts(fleet: SimulatedFleet) -> None:
    server = fleet[0]
    server.change(add_labs=[{"title": "Kept", "owner": "mei", "nodes": 3}])
    with signed_in(server) as client:
        labs, was = client.get("/populate_lab_tiles").json(), server.fingerprint
        fleet.stop()
        fleet.start()

        assert client.get("/populate_lab_tiles").json() == labs  # and the session too, as on a real server
    assert server.fingerprint == was
    assert "Kept" in {lab["lab_title"] for lab in labs["lab_tiles"].values()}


def test_a_new_instance_boots_beside_the_others(fleet: SimulatedFleet) -> None:
    second = fleet.add(ServerSpec(demo="ccna-evening"))

    eventually(lambda: answers(second))
    assert answers(fleet[0])
    assert {report["instance_id"] for report in fleet.reports()} == {server.instance_id for server in fleet}


def test_when_aws_does_not_answer_what_runs_keeps_running(fleet: SimulatedFleet) -> None:
    fleet.instances.reachable = False
    fleet.instances.wait_for_poll()

    assert answers(fleet[0])


def test_a_restarted_instance_boots_again(fleet: SimulatedFleet) -> None:
    fleet.instances.put(replace(fleet[0].spec, running_for=0))

    eventually(lambda: fleet[0].report()["phase"] == "silent")
    assert not answers(fleet[0])


def test_an_address_outside_loopback_is_not_listened_on(fleet: SimulatedFleet) -> None:
    fleet.instances.put(ServerSpec(address="0.0.0.0"))
    fleet.instances.put(ServerSpec(address="not an address"))
    fleet.instances.wait_for_poll()

    assert len(fleet.reports()) == 1
    assert answers(fleet[0])


# --- numbers, topology, files


def demo_state(name: str = "ccnp-encor-02") -> CmlState:
    return first_state(instance_id="i-1", demo=name, admin="admin")


def test_numbers_move_and_stay_in_range() -> None:
    now = time.time()
    for worker in FLEET:
        state = demo_state(worker.name)
        seen = [usage(state, now=now + step * 30) for step in range(400)]

        assert all(0 < one.cpu_percent <= 100 for one in seen)
        assert all(0 < one.memory_used < one.memory_total for one in seen)
        assert all(0 < one.disk_used < one.disk_total for one in seen)
        assert len({round(one.cpu_percent, 3) for one in seen}) > 300
        assert max(one.memory_used for one in seen) > min(one.memory_used for one in seen)


def test_the_same_moment_gives_the_same_numbers_and_the_next_is_near() -> None:
    state, now = demo_state(), time.time()

    assert usage(state, now=now) == usage(state, now=now)
    assert all(
        abs(usage(state, now=now + s / 10 + 0.1).cpu_percent - usage(state, now=now + s / 10).cpu_percent) < 3
        for s in range(100)
    )


def test_numbers_follow_the_running_nodes() -> None:
    busy, now = demo_state(), time.time()
    before = usage(busy, now=now)
    for lab in busy.labs.values():
        lab.set_state("STOPPED")
    after = usage(busy, now=now)

    assert after.cpu_percent < before.cpu_percent / 3
    assert after.memory_used < before.memory_used / 3
    assert after.disk_used < before.disk_used
    section = stats_section(busy, now=now)
    assert (section["dominfo"]["running_nodes"], section["dominfo"]["total_nodes"]) == (0, 100)


def test_disk_use_grows_with_time() -> None:
    state = demo_state()
    now = state.created_at

    used = [usage(state, now=now + day * 86400).disk_used for day in range(10)]

    assert used == sorted(used)
    assert used[-1] > used[0]


@pytest.mark.parametrize("count", range(1, 45))
def test_a_topology_has_its_nodes_each_at_its_own_place_and_all_connected(count: int) -> None:
    nodes, links = topology(count, seed=f"lab {count}")

    assert len(nodes) == count
    assert len({(node.x, node.y) for node in nodes}) == count
    assert len({node.label for node in nodes}) == count
    ends = {frozenset((link.node_a, link.node_b)) for link in links}
    assert len(ends) == len(links)
    assert all(len(pair) == 2 for pair in ends)
    reached, pending = set(), [nodes[0].id]
    while pending:
        here = pending.pop()
        reached.add(here)
        pending += [other for pair in ends if here in pair for other in pair - {here} if other not in reached]
    assert reached == {node.id for node in nodes}


def test_a_state_survives_its_file(tmp_path: Path) -> None:
    state = demo_state()
    state.save(tmp_path / "a" / "state.json")

    assert CmlState.load(tmp_path / "a" / "state.json") == state
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["state.json"]
    assert (tmp_path / "a" / "state.json").stat().st_mode & 0o077 == 0


def test_a_certificate_is_made_once(tmp_path: Path) -> None:
    first = fingerprint(ensure_certificate(tmp_path, hostname="cml-controller", address="127.77.0.1"))

    assert fingerprint(ensure_certificate(tmp_path, hostname="cml-controller", address="127.77.0.2")) == first
    assert (tmp_path / "server.pem").stat().st_mode & 0o077 == 0
