"""The CML client and a simulated CML's labs, people, notices and telemetry: what is written is there afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulated_cml import ServerSpec, SimulatedCml, client_of, eventually, start_simulated_cml
from workers.clients.cml import CmlClient, CmlError, CmlNotFound, CmlRejected, LabTile
from workers.clients.cml.tokens import tokens

TOPOLOGY = """\
lab:
  description: Made by a test
  notes: ''
  title: Überraschung
  version: 0.3.0
links:
  - id: l0
    n1: n0
    n2: n1
    i1: i0
    i2: i0
    label: r1-r2
nodes:
  - id: n0
    label: r1
    node_definition: iosv
    x: -100
    y: 50
    configuration: hostname r1
    interfaces:
      - {id: i0, label: GigabitEthernet0/0, slot: 0, type: physical}
  - id: n1
    label: r2
    node_definition: iosv
    x: 100
    y: 50
    configuration: hostname r2
    interfaces:
      - {id: i0, label: GigabitEthernet0/0, slot: 0, type: physical}
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SimulatedCml]]:
    """One of 2.9 and one of 2.10."""
    specs = [ServerSpec(demo="ccnp-encor-01"), ServerSpec(demo="devnet-sandbox")]
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=specs, speed=50) as fleet:
        yield fleet


@pytest.fixture(params=["2.9", "2.10"])
def server(request: pytest.FixtureRequest, servers: list[SimulatedCml]) -> SimulatedCml:
    return servers[0 if request.param == "2.9" else 1]


@pytest.fixture
def client(server: SimulatedCml) -> Iterator[CmlClient]:
    tokens.clear()
    client = client_of(server)
    yield client
    client.close()


def tile_of(client: CmlClient, lab_id: str) -> LabTile:
    return next(tile for tile in client.lab_tiles() if tile.lab_id == lab_id)


def test_a_lab_is_imported_started_saved_stopped_wiped_and_removed(client: CmlClient) -> None:
    made = client.import_lab(TOPOLOGY, title="A & B?")
    lab = client.lab(made.lab_id)
    assert (lab.title, lab.description, lab.state, lab.node_count, lab.link_count) == (
        "A & B?",
        "Made by a test",
        "DEFINED_ON_CORE",
        2,
        1,
    )
    assert made.lab_id in client.lab_ids()
    assert lab.owner_id == client.account().user_id

    client.start_lab(made.lab_id)
    eventually(lambda: client.check_if_converged(made.lab_id))
    assert client.lab_state(made.lab_id) == "STARTED"
    states = client.lab_element_states(made.lab_id)
    assert set(states.nodes.values()) == {"BOOTED"}
    assert (len(states.nodes), len(states.links), set(states.links.values())) == (2, 1, {"STARTED"})
    stats = client.simulation_stats(made.lab_id)
    assert stats.nodes.keys() == states.nodes.keys()
    assert all(node.seconds_in_state["BOOTED"] >= 0 for node in stats.nodes.values())

    with pytest.raises(CmlError) as caught:
        client.delete_lab(made.lab_id)
    assert caught.value.description
    for node in client.nodes(made.lab_id):
        client.extract_configuration(made.lab_id, node.node_id)
    saved = client.download_lab(made.lab_id)
    assert "\nnodes:\n" in saved
    assert "hostname r1" in saved

    client.stop_lab(made.lab_id)
    eventually(lambda: client.lab_state(made.lab_id) == "STOPPED")
    client.wipe_lab(made.lab_id)
    assert eventually(lambda: client.lab_state(made.lab_id) == "DEFINED_ON_CORE")
    client.delete_lab(made.lab_id)
    assert made.lab_id not in client.lab_ids()
    with pytest.raises(CmlNotFound):
        client.lab(made.lab_id)


def test_a_download_makes_the_same_lab_again(client: CmlClient) -> None:
    first = client.import_lab(TOPOLOGY).lab_id
    second = client.import_lab(client.download_lab(first)).lab_id
    try:
        assert client.lab(second).title == "Überraschung"
        pictures = [tile_of(client, lab_id).topology for lab_id in (first, second)]
        assert [[(n.label, n.x, n.y, n.node_definition) for n in picture.nodes] for picture in pictures] == [
            [("r1", -100, 50, "iosv"), ("r2", 100, 50, "iosv")]
        ] * 2
        for lab_id, picture in zip((first, second), pictures, strict=True):
            ends = {node.node_id for node in picture.nodes}
            assert [{link.node_a, link.node_b} for link in picture.links] == [ends]
            whole = client.topology(lab_id)
            assert [{link.node_a, link.node_b} for link in whole.links] == [{node.node_id for node in whole.nodes}]
            assert whole.version.startswith("0.")
    finally:
        client.delete_lab(first)
        client.delete_lab(second)


def test_what_is_no_lab_is_rejected_with_cmls_words(client: CmlClient) -> None:
    before = client.lab_ids()

    for topology in ("lab: [", "title: nothing else\n", ""):
        with pytest.raises(CmlRejected) as caught:
            client.import_lab(topology)
        assert caught.value.description

    assert client.lab_ids() == before


def test_tiles_ids_details_and_nodes_tell_the_same(client: CmlClient) -> None:
    tiles = {tile.lab_id: tile for tile in client.lab_tiles()}
    nodes = client.all_nodes()

    assert set(client.lab_ids()) == tiles.keys()
    for lab_id, tile in tiles.items():
        lab = client.lab(lab_id)
        assert (lab.title, lab.state, lab.owner_username, lab.modified_at) == (
            tile.title,
            tile.state,
            tile.owner_username,
            tile.modified_at,
        )
        of_lab = [node for node in nodes if node.lab_id == lab_id]
        assert {node.node_id for node in of_lab} == {node.node_id for node in tile.topology.nodes}
        assert len(of_lab) == tile.node_count
    some = next(iter(tiles))
    assert [node.node_id for node in client.nodes(some)] == [node.node_id for node in nodes if node.lab_id == some]


def test_a_notice_is_shown_changed_and_taken_away(client: CmlClient) -> None:
    notice = client.create_notice(level="WARNING", label="This server stops at 18:00", content="Save your work.")
    assert (notice.level, notice.label, notice.enabled) == ("WARNING", "This server stops at 18:00", True)
    assert notice in client.notices()

    assert client.update_notice(notice.notice_id, enabled=False).enabled is False
    on = client.set_maintenance_mode(True, notice_id=notice.notice_id)
    assert (on.enabled, on.notice_id, on.notice.label) == (True, notice.notice_id, notice.label)
    assert client_of_nobody(client).maintenance_mode().enabled is True
    assert client.set_maintenance_mode(False).enabled is False

    client.delete_notice(notice.notice_id)
    assert client.notices() == ()
    with pytest.raises(CmlNotFound):
        client.delete_notice(notice.notice_id)
    with pytest.raises(CmlRejected) as caught:
        client.create_notice(level="LOUD", label="x")
    assert "level" in caught.value.description


def client_of_nobody(client: CmlClient) -> CmlClient:
    return CmlClient(base_url=client.base_url, credential=None, tls=client.tls)


def test_telemetry_is_switched_on_and_tells_what_was_done_since(client: CmlClient, server: SimulatedCml) -> None:
    assert client.set_telemetry(False).opt_in is False
    assert client.set_telemetry(True).opt_in is True
    server.change(
        telemetry=[{"category": "start_lab", "ago": 7200}, {"category": "packet_capture", "ago": 60, "user": "admin"}]
    )

    recent = client.telemetry_events(newer_than=datetime.now(UTC) - timedelta(minutes=10))

    capture = next(event for event in recent if event.category == "packet_capture")
    assert capture.user_id == client.account().user_id
    assert timedelta(seconds=50) < datetime.now(UTC) - capture.at < timedelta(seconds=90)
    everything = client.telemetry_events()
    assert len(everything) > len(recent)
    assert [event.at for event in everything] == sorted(event.at for event in everything)


def test_open_consoles_are_told_since_2_10(servers: list[SimulatedCml]) -> None:
    old, new = client_of(servers[0]), client_of(servers[1])
    running = next(node for node in new.all_nodes() if node.state == "BOOTED")
    servers[1].change(consoles={running.node_id: 30})

    assert old.dispatcher_connections() is None
    (console,) = new.dispatcher_connections()
    assert (console.connection, console.clients) == ("Console", 1)
    assert timedelta(seconds=25) < datetime.now(UTC) - console.last_used_at < timedelta(seconds=60)


def test_hosts_people_and_definitions_are_listed(client: CmlClient) -> None:
    (host,) = client.compute_hosts()
    assert (host.hostname, host.admission_state, host.is_connected) == ("cml-controller", "READY", True)
    assert host.nodes_total >= host.nodes_running > 0
    account = client.account()
    assert (account.username, account.is_admin) == ("admin", True)
    assert account.user_id in [user.user_id for user in client.users()]
    kinds = set(client.node_definitions())
    assert {node.node_definition for node in client.all_nodes()} <= kinds
    assert {image.node_definition for image in client.image_definitions()} <= kinds


READS: list[Callable[[CmlClient, str], Any]] = [
    lambda client, lab: client.all_nodes(),
    lambda client, lab: client.compute_hosts(),
    lambda client, lab: client.dispatcher_connections(),
    lambda client, lab: client.image_definitions(),
    lambda client, lab: client.lab_tiles(),
    lambda client, lab: client.maintenance_mode(),
    lambda client, lab: client.node_definitions(),
    lambda client, lab: client.notices(),
    lambda client, lab: client.telemetry(),
    lambda client, lab: client.telemetry_events(),
    lambda client, lab: client.users(),
    lambda client, lab: client.lab(lab),
    lambda client, lab: client.lab_element_states(lab),
    lambda client, lab: client.nodes(lab),
    lambda client, lab: client.simulation_stats(lab),
    lambda client, lab: client.topology(lab),
]


def test_nulls_in_every_nullable_field_and_elsewhere_are_read_as_not_known(client: CmlClient, server: SimulatedCml) -> None:
    labs = client.lab_ids()
    server.set_mode("nulls")
    try:
        for read in READS:
            read(client, labs[0])
        assert len(client.lab_tiles()) == len(labs)
    finally:
        server.set_mode("none")
