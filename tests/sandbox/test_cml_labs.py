"""Labs on the simulated CML: their life, in time and over restarts, their documents, and who may do what with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cmlmanager.sandbox.cml.documents import schemas
from cmlmanager.sandbox.cml.elements import BOOTED, DEFINED, QUEUED, STARTED, STOPPED, Lab
from cmlmanager.sandbox.cml.pace import Pace
from cmlmanager.sandbox.cml.seed import first_state
from cmlmanager.sandbox.cml.topology import topology
from tests.simulated_cml import ServerSpec, SimulatedCml, SimulatedFleet, eventually, signed_in, start_simulated_cml

YAML = """
nodes:
  - id: n0
    label: r1
    node_definition: iosv
    image_definition: iosv-159-3-m10
    x: 0
    y: 0
    tags: [core]
    configuration: |
      hostname r1
    interfaces:
      - {id: i0, label: Loopback0, type: loopback}
      - {id: i1, label: GigabitEthernet0/0, slot: 0, type: physical}
  - id: n1
    label: outside
    node_definition: external_connector
    x: 160
    y: 0
    configuration: NAT
    interfaces:
      - {id: i0, label: port, slot: 0, type: physical}
links:
  - {id: l0, n1: n0, i1: i1, n2: n1, i2: i0}
lab: {title: Two nodes, description: To try, notes: "", version: 0.3.0}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    """2.9 with licence, 2.10 under evaluation; a router takes two seconds."""
    specs = [ServerSpec(demo="ccnp-encor-01"), ServerSpec(demo="devnet-sandbox")]
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=specs, speed=25) as fleet:
        yield fleet


@pytest.fixture
def server(fleet: SimulatedFleet) -> Iterator[SimulatedCml]:
    yield fleet[0]
    fleet[0].change(fault="")


@pytest.fixture
def api(server: SimulatedCml) -> Iterator[httpx.Client]:
    with signed_in(server) as client:
        yield client


def imported(api: httpx.Client, text: str = YAML, **query: str) -> str:
    answer = api.post("/import", content=text, params=query)
    assert answer.status_code == 200, answer.text
    lab_id: str = answer.json()["id"]
    return lab_id


def state_of(api: httpx.Client, lab_id: str) -> str:
    return str(api.get(f"/labs/{lab_id}/state").json())


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["description"]


def found(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 400, answer.text
    (finding,) = json.loads(answer.json()["description"])["Input validation failed"]
    location: list[Any] = finding["location"]
    return location


# --- life


def test_a_lab_lives_from_import_to_removal(api: httpx.Client) -> None:
    lab_id = imported(api, title="Mine")
    assert state_of(api, lab_id) == DEFINED
    assert api.get(f"/labs/{lab_id}/check_if_converged").json() is True

    started = api.put(f"/labs/{lab_id}/start")
    assert (started.status_code, started.content) == (204, b"")
    assert state_of(api, lab_id) == STARTED
    assert api.get(f"/labs/{lab_id}/check_if_converged").json() is False
    eventually(lambda: api.get(f"/labs/{lab_id}/check_if_converged").json())
    states = api.get(f"/labs/{lab_id}/lab_element_state").json()
    assert (set(states["nodes"].values()), set(states["links"].values())) == ({BOOTED}, {STARTED})
    assert set(states["interfaces"].values()) == {STARTED}

    for method, path, words in (
        ("DELETE", "", "Cannot delete a running lab"),
        ("PUT", "/wipe", "Cannot wipe a running lab"),
    ):
        status, description = said(api.request(method, f"/labs/{lab_id}{path}"))
        assert (status, words in description) == (400, True)
    assert api.put(f"/labs/{lab_id}/stop").status_code == 204
    eventually(lambda: state_of(api, lab_id) == STOPPED)
    assert "not been wiped" in said(api.delete(f"/labs/{lab_id}"))[1]
    assert api.put(f"/labs/{lab_id}/wipe").status_code == 204
    assert state_of(api, lab_id) == DEFINED
    assert api.delete(f"/labs/{lab_id}").status_code == 204
    assert said(api.get(f"/labs/{lab_id}")) == (404, f"Lab not found: {lab_id}")


def test_nodes_come_up_one_after_another_and_links_with_them() -> None:
    nodes, links = topology(6, seed="six")
    lab = Lab(id="1", title="t", description="", notes="", owner="o", created="", modified="", nodes=nodes, links=links)
    lab.start(lab.nodes, now=1000.0, pace=Pace(1), starting=True)
    assert {node.state for node in nodes} == {QUEUED}

    seen = []
    for tenth in range(4000):
        lab.settle(1000.0 + tenth / 10)
        by_id = {node.id: node for node in nodes}
        seen.append([node.state for node in nodes])
        up = [link for link in links if by_id[link.node_a].runs and by_id[link.node_b].runs]
        assert [link for link in links if lab.link_state(link, by_id) == STARTED] == up
    assert len({tuple(states) for states in seen}) > 12
    assert len(up) == len(links)
    assert lab.converged
    assert {node.state for node in nodes} == {BOOTED}
    for node in nodes:
        assert node.since[QUEUED] < node.since[STARTED] <= node.since[BOOTED]
    assert len({node.since[STARTED] for node in nodes}) == 6
    assert [event["data"]["state"] for event in lab.events].count("STARTING") == 6


def test_at_speed_nought_a_lab_is_up_at_once() -> None:
    state = first_state(instance_id="i-1", demo="tac-repro", admin="admin")
    lab = next(iter(state.labs.values()))

    lab.start(lab.nodes, now=1000.0, pace=Pace(0))
    lab.settle(1000.0)
    assert (lab.converged, {node.state for node in lab.nodes}) == (True, {BOOTED})
    lab.stop(lab.nodes, now=1000.0, pace=Pace(0))
    lab.settle(1000.0)
    assert (lab.converged, lab.state) == (True, STOPPED)


def test_a_start_under_way_survives_a_restart(tmp_path: Path) -> None:
    with start_simulated_cml(tmp_path, servers=[ServerSpec()], speed=20) as fleet, signed_in(fleet[0]) as client:
        lab_id = imported(client)
        client.put(f"/labs/{lab_id}/start")
        fleet.stop()
        (kept,) = json.loads(next(tmp_path.rglob("state.json")).read_text())["labs"].values()
        assert {node["state"] for node in kept["nodes"]} == {QUEUED}
        fleet.start()
        eventually(lambda: client.get(f"/labs/{lab_id}/check_if_converged").json())
        assert set(client.get(f"/labs/{lab_id}/lab_element_state").json()["nodes"].values()) == {BOOTED}


def test_what_cannot_start_is_refused_whole(server: SimulatedCml, api: httpx.Client) -> None:
    tiles = api.get("/populate_lab_tiles").json()["lab_tiles"].values()
    idle = {tile["id"]: tile["node_count"] for tile in tiles if tile["state"] != STARTED and tile["node_count"] > 4}
    lab_id = next(iter(idle))
    server.set_fault("unlicensed")
    assert said(api.put(f"/labs/{lab_id}/start")) == (400, "Licensing issue: Maximum node count exceeded.")
    assert state_of(api, lab_id) != STARTED
    server.set_fault("no_kvm")
    assert said(api.put(f"/labs/{lab_id}/start"))[0] == 400
    assert api.get("/system_information").json()["ready"] is False
    (compute,) = api.get("/system_health").json()["computes"].values()
    assert (compute["kvm_vmx_enabled"], compute["valid"]) == (False, False)


def test_an_unlicensed_server_starts_a_few_nodes(tmp_path: Path) -> None:
    with start_simulated_cml(tmp_path, servers=[ServerSpec()], speed=0) as fleet, signed_in(fleet[0]) as client:
        lab_id = imported(client)
        assert client.put(f"/labs/{lab_id}/start").status_code == 204
        assert client.get(f"/labs/{lab_id}/check_if_converged").json() is True
        assert client.get("/system_stats").json()["computes"].popitem()[1]["stats"]["dominfo"]["running_nodes"] == 2


# --- nodes


def test_a_node_is_started_stopped_and_wiped_by_itself(api: httpx.Client) -> None:
    lab_id = imported(api)
    router = next(node for node in api.get(f"/labs/{lab_id}/nodes", params={"data": "true"}).json() if node["label"] == "r1")
    path = f"/labs/{lab_id}/nodes/{router['id']}"
    assert said(api.put(f"{path}/extract_configuration"))[0] == 400

    assert api.put(f"{path}/state/start").status_code == 204
    eventually(lambda: api.get(f"{path}/state").json() == {"state": BOOTED, "progress": "Booted"})
    assert state_of(api, lab_id) == STARTED
    assert api.put(f"{path}/extract_configuration").status_code == 200
    assert "Last configuration change" in api.get(path).json()["configuration"][0]["content"]
    assert "configuration" not in api.get(path, params={"exclude_configurations": "true"}).json()
    operational = api.get(path, params={"operational": "true"}).json()["operational"]
    assert (operational["ram"], bool(operational["compute_id"]), len(operational["serial_consoles"])) == (768, True, 1)
    stats = api.get(f"/labs/{lab_id}/simulation_stats").json()
    assert set(stats["nodes"]) == {router["id"]}
    assert set(stats["nodes"][router["id"]]["times"]) == {QUEUED, STARTED, BOOTED}
    assert said(api.put(f"{path}/wipe_disks"))[0] == 400
    assert api.put(f"{path}/state/stop").status_code == 204
    eventually(lambda: api.get(f"{path}/state").json()["state"] == STOPPED)
    assert api.put(f"{path}/wipe_disks").status_code == 204
    assert state_of(api, lab_id) == DEFINED
    assert {event["event"] for event in api.get(f"/labs/{lab_id}/events").json()} >= {"STATE_CHANGED", "CHANGE"}


def test_all_nodes_of_all_labs_come_in_one_answer(api: httpx.Client) -> None:
    nodes = api.get("/nodes", params={"exclude_configurations": "true"}).json()
    tiles = api.get("/populate_lab_tiles").json()["lab_tiles"]

    assert len(nodes) == sum(tile["node_count"] for tile in tiles.values())
    assert {node["lab_id"] for node in nodes} <= set(tiles)
    booted = sum(node["state"] == BOOTED for node in nodes)
    assert api.get("/system_stats").json()["computes"].popitem()[1]["stats"]["dominfo"]["running_nodes"] == booted
    keys = api.get("/keys/console", params={"show_all": "true"}).json()
    assert {key["node_id"] for key in keys.values()} == {
        node["id"] for node in nodes if node["state"] == BOOTED and node["ram"]
    }


# --- documents


def test_a_download_is_yaml_that_imports_to_the_same_lab(api: httpx.Client) -> None:
    first = imported(api)
    text = api.get(f"/labs/{first}/download")

    assert text.headers["content-type"].split(";")[0] == "application/x-yaml"
    document = yaml.safe_load(text.text)
    assert (document["lab"]["version"], document["lab"]["title"]) == ("0.3.0", "Two nodes")
    assert document["nodes"][0]["configuration"][0]["content"] == "hostname r1\n"
    assert text.text == api.get(f"/labs/{first}/download").text
    assert api.get(f"/labs/{imported(api, text.text)}/download").text == text.text


def test_a_topology_imports_as_json_too(api: httpx.Client) -> None:
    seeded = next(iter(api.get("/populate_lab_tiles").json()["lab_tiles"]))
    again = imported(api, json.dumps(api.get(f"/labs/{seeded}/topology").json()), title="Again")

    one, other = (yaml.safe_load(api.get(f"/labs/{lab_id}/download").text) for lab_id in (seeded, again))
    assert {**one["lab"], "title": ""} == {**other["lab"], "title": ""}
    assert (one["nodes"], one["links"]) == (other["nodes"], other["links"])
    assert other["lab"]["title"] == "Again"


def test_odd_images_are_warned_of(api: httpx.Client) -> None:
    answer = api.post("/import", content=YAML.replace("iosv-159-3-m10", "iosv-1")).json()

    assert answer["warnings"] == ["Image definition `iosv-1` was not found on this system. The nodes that use it cannot start."]


@pytest.mark.parametrize(
    ("text", "location"),
    [
        (YAML.replace("version: 0.3.0", "version: 0.3.1"), ["body", "lab", "version"]),
        (YAML.replace("version: 0.3.0", "version: 9.9.9"), ["body", "lab", "version"]),
        (YAML.replace("tags: [core]", "colour: red"), ["body", "nodes", 0, "colour"]),
        (YAML.replace("x: 0", "x: far"), ["body", "nodes", 0, "x"]),
        (YAML.replace("i1: i1", "i1: i9"), ["body", "links", 0]),
        (YAML.replace("title: Two nodes", f"title: {'t' * 65}"), ["body", "lab", "title"]),
        ("just text", ["body"]),
        ("nodes: []\nlinks: []\n", ["body", "lab"]),
        ("", ["body"]),
    ],
)
def test_what_breaks_the_schema_is_not_imported(api: httpx.Client, text: str, location: list[Any]) -> None:
    before = len(api.get("/labs", params={"show_all": "true"}).json())

    assert found(api.post("/import", content=text)) == location
    assert len(api.get("/labs", params={"show_all": "true"}).json()) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nodes: [\n", "Cannot parse the topology as YAML"),
        ("!!python/object/apply:os.system ['true']", "Cannot parse the topology as YAML"),
        (YAML.replace("iosv\n", "warp-drive\n"), "Node definition not found: warp-drive"),
    ],
)
def test_what_is_no_lab_is_not_imported(api: httpx.Client, text: str, words: str) -> None:
    status, description = said(api.post("/import", content=text))

    assert (status, words in description) == (400, True)


def test_each_version_reads_its_schema_and_the_older_ones(fleet: SimulatedFleet) -> None:
    newer = YAML.replace("version: 0.3.0", "version: 0.3.1")
    with signed_in(fleet[1]) as client:
        lab_id = imported(client, newer)
        assert yaml.safe_load(client.get(f"/labs/{lab_id}/download").text)["lab"]["version"] == "0.3.1"
        assert imported(client, YAML)


@pytest.mark.parametrize(
    ("version", "schema"),
    [
        ("2.4.0", "0.1.0"),
        ("2.7.1", "0.2.2"),
        ("2.8.1", "0.3.0"),
        ("2.9.1+build.7", "0.3.0"),
        ("2.10.0", "0.3.1"),
        ("2.11.0+sso", "0.3.1"),
    ],
)
def test_the_schema_that_a_version_writes(version: str, schema: str) -> None:
    state = first_state(instance_id="i-1", demo="", admin="admin")
    state.version = version

    assert schemas(state)[-1] == schema


# --- making and sharing


def test_a_lab_is_made_changed_and_built_by_hand(api: httpx.Client) -> None:
    made = api.post("/labs", json={"title": "By hand", "notes": "n"}).json()
    path = f"/labs/{made['id']}"
    assert (made["lab_title"], made["state"], made["node_count"]) == ("By hand", DEFINED, 0)
    assert api.patch(path, json={"description": "d"}).json()["lab_description"] == "d"
    assert found(api.post("/labs", json={"title": "x" * 65})) == ["body", "title"]
    assert found(api.patch(path, json={"autostart": {"enabled": True}})) == ["body", "autostart"]  # 2.10 knows it
    a = api.post(f"{path}/nodes", json={"x": 0, "y": 0, "label": "a", "node_definition": "iosv"}).json()["id"]
    b = api.post(f"{path}/nodes", json={"x": 9, "y": 0, "label": "b", "node_definition": "alpine"}).json()["id"]
    ends = [api.post(f"{path}/interfaces", json={"node": node}).json()["id"] for node in (a, b)]
    link = api.post(f"{path}/links", json={"src_int": ends[0], "dst_int": ends[1]}).json()
    assert (link["node_a"], link["node_b"], link["label"]) == (a, b, "a-GigabitEthernet0/0<->b-eth0")
    assert said(api.post(f"{path}/links", json={"src_int": ends[0], "dst_int": ends[1]}))[0] == 400
    assert api.patch(f"{path}/links/{link['id']}/condition", json={"latency": 50}).json() == {"enabled": True, "latency": 50}
    assert api.delete(f"{path}/nodes/{a}").status_code == 204
    assert api.get(path).json()["link_count"] == 0
    assert api.delete(path).status_code == 204


def test_others_see_and_do_what_was_shared_with_them(server: SimulatedCml, api: httpx.Client) -> None:
    lab_id = imported(api)
    server.change(add_labs=[{"title": "Of Mei", "owner": "mei", "nodes": 2}])
    mei = api.get("/users/mei/id").json()
    with signed_in(server, "mei") as user:
        assert said(user.get(f"/labs/{lab_id}"))[0] == 404
        share = {"users": [{"id": mei, "permissions": ["lab_view"]}]}
        assert api.patch(f"/labs/{lab_id}/associations", json=share).json()["users"] == share["users"]
        assert user.get(f"/labs/{lab_id}").json()["effective_permissions"] == ["lab_view"]
        assert said(user.put(f"/labs/{lab_id}/start"))[0] == 403
        assert len(user.get("/labs").json()) == 1
        assert len(user.get("/labs", params={"show_all": "true"}).json()) == 2
    assert found(api.patch(f"/labs/{lab_id}/associations", json={"users": [{"id": mei, "permissions": ["lab_eat"]}]}))[-1] == 0
