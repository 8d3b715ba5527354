"""The simulated CML around its labs: notices, maintenance, telemetry, accounts, hosts, diagnostics, and its misbehaviours."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.simulated_cml import ServerSpec, SimulatedCml, SimulatedFleet, http, signed_in, start_simulated_cml


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    """2.9 with two hosts, and 2.10."""
    specs = [ServerSpec(demo="emea-partner-demo"), ServerSpec(demo="devnet-sandbox")]
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=specs, speed=0) as fleet:
        yield fleet


@pytest.fixture
def server(fleet: SimulatedFleet) -> Iterator[SimulatedCml]:
    yield fleet[0]
    fleet[0].change(mode="none", token_seconds=86400)


@pytest.fixture
def api(server: SimulatedCml) -> Iterator[httpx.Client]:
    with signed_in(server) as client:
        yield client


@pytest.fixture
def new(fleet: SimulatedFleet) -> Iterator[httpx.Client]:
    """2.10."""
    with signed_in(fleet[1]) as client:
        yield client


def test_a_notice_is_shown_changed_and_taken_away(api: httpx.Client) -> None:
    body = {"level": "WARNING", "label": "Stops at 18:00", "content": "Save your work.", "enabled": True}
    notice = api.post("/system/notices", json=body).json()
    assert {**notice, **body} == notice
    assert notice["activated"]
    assert notice in api.get("/system/notices").json()
    changed = api.patch(f"/system/notices/{notice['id']}", json={"enabled": False}).json()
    assert (changed["enabled"], changed["activated"], changed["label"]) == (False, None, "Stops at 18:00")
    assert api.delete(f"/system/notices/{notice['id']}").status_code == 204
    assert api.get(f"/system/notices/{notice['id']}").status_code == 404
    for wrong in ({"level": "LOUD", "label": "x"}, {"level": "INFO"}, {**body, "label": "x" * 129}, {**body, "colour": "red"}):
        assert api.post("/system/notices", json=wrong).status_code == 400


def test_maintenance_mode_locks_others_out(server: SimulatedCml, api: httpx.Client) -> None:
    notice = api.post("/system/notices", json={"level": "INFO", "label": "Back soon"}).json()
    with signed_in(server, "jean") as jean, http(server) as anonymous:
        assert jean.get("/labs").status_code == 200
        answer = api.patch("/system/maintenance_mode", json={"maintenance_mode": True, "notice": notice["id"]}).json()
        assert (answer["maintenance_mode"], answer["notice"], answer["resolved_notice"]["label"]) == (
            True,
            notice["id"],
            "Back soon",
        )
        assert anonymous.get("/system/maintenance_mode").json() == answer
        assert jean.get("/labs").status_code == 403
        assert jean.patch("/system/maintenance_mode", json={"maintenance_mode": False}).status_code == 403
        assert api.get("/labs").status_code == 200
        assert api.patch("/system/maintenance_mode", json={"maintenance_mode": False}).json()["maintenance_mode"] is False
        assert jean.get("/labs").status_code == 200


def test_telemetry_grows_with_what_is_done(server: SimulatedCml, api: httpx.Client) -> None:
    before = api.get("/telemetry/events").json()
    lab = next(tile["id"] for tile in api.get("/populate_lab_tiles").json()["lab_tiles"].values() if tile["state"] == "STOPPED")
    for action in ("start", "stop", "wipe"):
        assert api.put(f"/labs/{lab}/{action}").status_code == 204
    api.get(f"/labs/{lab}/download")
    server.change(telemetry=[{"category": "user_activity", "user": "jean"}])

    events = api.get("/telemetry/events").json()
    assert events[: len(before)] == before  # only grows
    told = {event["category"] for event in events[len(before) :]}
    assert told >= {
        "start_lab",
        "stop_lab",
        "queue_node",
        "start_node",
        "boot_node",
        "stop_node",
        "wipe_node",
        "export_lab",
        "user_activity",
    }
    times = [datetime.fromisoformat(event["timestamp"]) for event in events]
    assert len({moment.tzinfo is None for moment in times}) == 2  # with and without a zone, as real ones
    jean = api.get("/users/jean/id").json()
    assert jean in {event["data"].get("user_id") for event in events if event["category"] == "user_activity"}
    useless = sum(event["category"] in ("running_nodes", "system_stats", "license_info") for event in events)
    assert useless > len(events) / 2


def test_telemetry_is_opted_into_and_for_administrators(server: SimulatedCml, api: httpx.Client, new: httpx.Client) -> None:
    assert api.get("/telemetry").json() == {"opt_in": True, "show_modal": False}
    assert api.put("/telemetry", json={"opt_in": False}).json() == {"opt_in": False, "show_modal": False}
    assert api.get("/telemetry/events").json() == []
    assert api.put("/telemetry", json={"opt_in": True}).status_code == 200
    assert new.get("/telemetry").json()["opt_in"] == "accepted"
    assert new.put("/telemetry", json={"opt_in": True}).status_code == 400
    with signed_in(server, "jean") as jean:
        assert jean.get("/telemetry/events").status_code == 403


def test_two_hosts_share_the_work(api: httpx.Client, new: httpx.Client) -> None:
    stats, hosts = api.get("/system_stats").json(), api.get("/system/compute_hosts").json()
    assert [host["is_connector"] for host in hosts] == [True, False]
    assert {host["id"] for host in hosts} == set(stats["computes"]) == set(api.get("/system_health").json()["computes"])
    assert sum(host["stats"]["cpu"]["count"] for host in stats["computes"].values()) == stats["all"]["cpu"]["count"]
    running = [host["stats"]["dominfo"]["running_nodes"] for host in stats["computes"].values()]
    assert all(running)
    assert [len(host["nodes"]) for host in hosts] == running
    for host in hosts:
        assert api.patch(f"/system/compute_hosts/{host['id']}", json={"admission_state": "ONLINE"}).status_code == 200
    assert api.get("/system_information").json()["ready"] is False
    for host in hosts:
        api.patch(f"/system/compute_hosts/{host['id']}", json={"admission_state": "READY"})
    assert api.get("/system_information").json()["ready"] is True
    assert "nodes" not in new.get("/system/compute_hosts").json()[0]


def test_accounts_and_groups(server: SimulatedCml, api: httpx.Client) -> None:
    made = api.post("/users", json={"username": "portal", "password": "s3cret-enough", "admin": True})
    assert made.status_code == 201
    user = made.json()
    with http(server) as anonymous:
        login = {"username": "portal", "password": "s3cret-enough"}
        assert anonymous.post("/auth_extended", json=login).json()["admin"] is True
    group = api.post("/groups", json={"name": "course", "members": [user["id"]]})
    assert group.status_code == 201
    assert api.get(f"/users/{user['id']}").json()["groups"] == [group.json()["id"]]
    assert api.post("/users", json={"username": "portal", "password": "x"}).status_code == 400
    assert api.delete(f"/groups/{group.json()['id']}").status_code == 204
    assert api.delete(f"/users/{user['id']}").status_code == 204
    missing = api.get(f"/users/{user['id']}")
    assert (missing.status_code, missing.json()["description"]) == (404, f"User does not exist: {user['id']}.")


def test_diagnostics_know_their_categories(fleet: SimulatedFleet, api: httpx.Client, new: httpx.Client) -> None:
    for category in ("computes", "labs", "lab_events", "node_launch_queue", "services", "licensing", "startup_scheduler"):
        assert api.get(f"/diagnostics/{category}").status_code == 200
    assert api.get("/diagnostics/dispatcher").status_code == 400
    assert new.get("/diagnostics/dispatcher").json() == []
    node = next(node for node in new.get("/nodes").json() if node["state"] == "BOOTED" and node["ram"])
    fleet[1].change(consoles={node["id"]: 20})
    (console,) = new.get("/diagnostics/dispatcher").json()
    assert (console["key"], console["connection"], console["clients"]) == (
        node["serial_consoles"][0]["console_key"],
        "Console",
        1,
    )


def test_definitions_say_what_labs_can_be_built_of(api: httpx.Client) -> None:
    kinds = {one["id"]: one for one in api.get("/simplified_node_definitions").json()}
    images = {one["id"]: one["node_definition_id"] for one in api.get("/image_definitions").json()}
    assert set(kinds) == {one["id"] for one in api.get("/node_definitions").json()}
    assert {image for kind in kinds.values() for image in kind["image_definitions"]} == set(images)
    for node in api.get("/nodes").json():
        assert node["node_definition"] in kinds
        assert node["image_definition"] is None or images[node["image_definition"]] == node["node_definition"]


# --- misbehaviours


def test_a_token_runs_out_when_told_to(server: SimulatedCml, api: httpx.Client) -> None:
    server.change(token_seconds=0)
    with signed_in(server) as short:
        assert short.get("/authok").status_code == 401
    assert api.get("/authok").status_code == 200  # given out before


def test_a_server_shows_another_certificate_when_told_to(server: SimulatedCml) -> None:
    host, port = server.spec.address, int(server.base_url.rsplit(":", 1)[1])
    was, pinned = server.fingerprint, ssl.get_server_certificate((host, port))

    server.change(certificate="new")

    assert server.fingerprint != was
    assert ssl.get_server_certificate((host, port)) != pinned
    assert ssl.get_server_certificate((host, port)) == server.certificate


@pytest.mark.parametrize(("mode", "options"), [("late", {"delay": 0.3}), ("slow", {"delay": 0.01})])
def test_an_answer_takes_its_time(server: SimulatedCml, mode: str, options: dict[str, Any]) -> None:
    with http(server) as client:
        client.get("/system_information")
        server.set_mode(mode, **options)
        began = time.monotonic()
        assert client.get("/system_information").json()["ready"] is True
        assert time.monotonic() - began > 0.29


def test_an_answer_is_as_large_as_told(server: SimulatedCml) -> None:
    server.set_mode("huge", size=5_000_000)
    with http(server) as client:
        assert len(client.get("/system_information").content) > 4_900_000


@pytest.mark.parametrize(
    "body",
    [
        {"licensing": {"registration": "perhaps"}},
        {"licensing": {"colour": "red"}},
        {"licensing": {"product": "CML_Imperial"}},
        {"certificate": "old"},
        {"token_seconds": "long"},
        {"telemetry": [{"category": "create_lab"}]},
        {"telemetry": [{"category": "start_lab", "user": "nobody"}]},
        {"telemetry": [{}]},
    ],
)
def test_the_control_listener_refuses_what_it_does_not_know(server: SimulatedCml, body: Any) -> None:
    with http(server) as client:
        client.base_url = httpx.URL(f"http://127.0.0.1:{server._fleet._control_port}")
        answer = client.post(f"/servers/{server.instance_id}", json=body)

    assert answer.status_code == 400
    assert json.loads(answer.content)["error"]
