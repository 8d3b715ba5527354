"""How the CML client reads whole answers: the shapes that servers of 2.9 and 2.10 give, and none of them raises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from workers.clients.cml import (
    CmlAccount,
    CmlNotice,
    CmlUser,
    ComputeHost,
    DispatcherConnection,
    ElementStates,
    ImageDefinition,
    Lab,
    LabAutostart,
    LabGroup,
    LabImport,
    LabNode,
    LabTile,
    Licensing,
    LicensingAttempts,
    MaintenanceMode,
    SimulationStats,
    SystemHealth,
    SystemInformation,
    SystemStats,
    TelemetryEvent,
    TelemetrySetting,
    Topology,
)
from workers.clients.cml.telemetry import EventSieve

NOTHING_YET = {"succeeded": None, "attempted": None, "scheduled": None, "status": None, "failure": None, "success": None}
LICENSING = {
    "registration": {
        "status": "COMPLETED",
        "smart_account": "Example Academy",
        "virtual_account": "Training",
        "instance_name": "cml-controller",
        "expires": "2026-08-20 17:25:30",
        "register_time": NOTHING_YET | {"attempted": "2023-08-11 19:33:12", "failure": "OK", "success": "SUCCESS"},
        "renew_time": NOTHING_YET
        | {"succeeded": "2026-02-01 00:00:00", "scheduled": "2026-05-02 11:12:13", "status": "SUCCEEDED"},
    },
    "authorization": {"status": "IN_COMPLIANCE", "expires": "2026-02-20 15:13:31", "renew_time": NOTHING_YET},
    "features": [
        {
            "id": "regid.2019-10.com.cisco.CML_NODE_COUNT,1.0_2607650b",
            "name": "CML - Expansion Nodes",
            "description": "Expansion nodes",
            "in_use": 200,
            "status": "IN_COMPLIANCE",
            "version": "1.0",
            "min": 0,
            "max": 500,
            "minEndDate": None,
            "maxEndDate": "2027-01-02 00:00:00",
        }
    ],
    "reservation_mode": False,
    "transport": {"default_ssms": "https://a/license", "ssms": "https://b/license", "proxy": {"server": "proxy", "port": 8080}},
    "udi": {"hostname": "cml-controller", "product_uuid": "5e0e49e2-0000"},
    "product_license": {"active": "CML_Enterprise", "is_enterprise": True},
}
TILE = {
    "id": "lab-1",
    "state": "STARTED",
    "created": "2025-12-06T11:11:28+00:00",
    "modified": "2025-12-07T11:11:28+00:00",
    "lab_title": "OSPF",
    "lab_description": "Two areas",
    "lab_notes": "# Read me",
    "owner": "user-1",
    "owner_username": "ana",
    "owner_fullname": "Ana A.",
    "node_count": 2,
    "link_count": 1,
    "groups": [{"id": "group-1", "name": "class", "permission": "read_only"}],
    "effective_permissions": ["lab_view", "lab_admin"],
    "topology": {
        "nodes": [
            {
                "id": "n0",
                "label": "r1",
                "x": -400,
                "y": 120.6,
                "node_definition": "iosv",
                "image_definition": "",
                "state": "BOOTED",
                "cpus": 1,
                "ram": 512,
                "operational": None,
            },
            {
                "id": "n1",
                "label": "r2",
                "x": 0,
                "y": 0,
                "node_definition": "iosv",
                "image_definition": None,
                "state": "STOPPED",
            },
        ],
        "links": [{"id": "l0", "node_a": "n0", "node_b": "n1", "state": "STARTED"}],
    },
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_licensing_is_read_whole() -> None:
    licence = Licensing.read(LICENSING)

    assert (licence.registration_status, licence.smart_account, licence.instance_name) == (
        "COMPLETED",
        "Example Academy",
        "cml-controller",
    )
    assert licence.registration_expires_at == at("2026-08-20 17:25:30")
    assert licence.register_time == LicensingAttempts(attempted_at=at("2023-08-11 19:33:12"), failure="OK", success="SUCCESS")
    assert licence.renew_time.succeeded_at == at("2026-02-01 00:00:00")
    assert (licence.renew_time.scheduled_at, licence.renew_time.status) == (at("2026-05-02 11:12:13"), "SUCCEEDED")
    assert licence.authorization_renew_time == LicensingAttempts()
    assert (licence.reservation_mode, licence.udi_hostname, licence.udi_product_uuid) == (
        False,
        "cml-controller",
        "5e0e49e2-0000",
    )
    transport = licence.transport
    assert (transport.ssms, transport.default_ssms) == ("https://b/license", "https://a/license")
    assert (transport.proxy_server, transport.proxy_port) == ("proxy", 8080)
    (feature,) = licence.features
    assert (feature.in_use, feature.minimum, feature.maximum, feature.version) == (200, 0, 500, "1.0")
    assert (feature.minimum_ends_at, feature.maximum_ends_at) == (None, at("2027-01-02 00:00:00"))


def test_ciscos_refusal_is_told_without_the_token_that_it_quotes() -> None:
    token = "NDExMjQ4M2UtMGI0Ni00Nzg5LTE3NjQwNzk4NjU%3D"
    for said in (
        f'{{"token":["The token \'{token}\' is not valid."]}}',
        f"Refused: {token}",
        "The token 'short1' has expired.",
    ):
        read = LicensingAttempts.read(NOTHING_YET | {"failure": said, "status": said, "success": said})

        assert token not in repr(read)
        assert "short1" not in repr(read)
        assert "[hidden]" in read.failure
    address = "Cannot reach https://smartreceiver.cisco.com/licservice/license for 5e0e49e2-1111-2222-3333-444455556666"
    assert LicensingAttempts.read({"failure": address}).failure == address


def test_a_tile_has_its_picture() -> None:
    tile = LabTile.read("lab-1", TILE)

    assert (tile.title, tile.state, tile.notes, tile.owner_id, tile.owner_fullname) == (
        "OSPF",
        "STARTED",
        "# Read me",
        "user-1",
        "Ana A.",
    )
    assert tile.groups == (LabGroup(group_id="group-1", name="class", permission="read_only"),)
    assert tile.permissions == ("lab_view", "lab_admin")
    first, second = tile.topology.nodes
    assert (first.node_id, first.label, first.x, first.y, first.node_definition, first.state) == (
        "n0",
        "r1",
        -400,
        121,
        "iosv",
        "BOOTED",
    )
    assert (first.cpus, first.ram, first.image_definition) == (1, 512 * 1024**2, "")
    assert (second.cpus, second.ram, second.image_definition, second.x) == (None, None, "", 0)
    assert [(link.node_a, link.node_b, link.state) for link in tile.topology.links] == [("n0", "n1", "STARTED")]


def test_a_tile_of_2_10_may_have_no_picture_and_no_groups() -> None:
    new = {name: value for name, value in TILE.items() if name not in ("topology", "groups")}
    new |= {"autostart": {"enabled": True, "priority": 10, "delay": None}, "node_staging": {"enabled": False}}

    tile = LabTile.read("lab-1", new)

    assert (tile.topology, tile.groups, tile.autostart) == (None, (), LabAutostart(enabled=True, priority=10, delay=None))


def test_a_lab_by_itself_is_read_as_its_tile_is() -> None:
    lab, tile = Lab.read("lab-1", TILE), LabTile.read("lab-1", TILE)

    assert (lab.title, lab.created_at, lab.notes, lab.groups) == (tile.title, tile.created_at, tile.notes, tile.groups)


def test_a_topology_names_the_ends_of_links_in_its_own_way() -> None:
    topology = Topology.read(
        {
            "lab": {"version": "0.3.0", "title": "x"},
            "nodes": [{"id": "n0", "label": "r1", "x": 1, "y": 2, "interfaces": [{"id": "i0"}]}],
            "links": [{"id": "l0", "n1": "n0", "i1": "i0", "n2": "n1", "i2": "i1", "label": "r1-r2"}],
        }
    )

    assert topology.version == "0.3.0"
    assert (topology.links[0].node_a, topology.links[0].node_b, topology.links[0].label) == ("n0", "n1", "r1-r2")


def test_nodes_come_whole_or_as_ids() -> None:
    whole = LabNode.read(
        {"id": "n0", "lab_id": "l", "boot_progress": "Booting", "compute_id": None, "tags": ["a", None], "ram": 10**30}
    )

    assert (whole.lab_id, whole.boot_progress, whole.compute_id, whole.tags, whole.ram) == ("l", "Booting", "", ("a",), None)
    assert LabNode.read("n1").node_id == "n1"


def test_simulation_stats_are_objects_by_id_or_arrays() -> None:
    node = {
        "cpu_usage": 1.64,
        "block0_wr_bytes": 5,
        "block0_rd_bytes": 7,
        "times": {"QUEUED": 0, "STARTED": 100, "BOOTED": None},
    }
    link = {"readbytes": 1, "readpackets": 2, "writebytes": 3, "writepackets": 4, "drops": 0}

    stats = SimulationStats.read({"nodes": {"n0": node}, "links": {"l0": link}})

    assert (stats.nodes["n0"].cpu_percent, stats.nodes["n0"].disk_read, stats.nodes["n0"].disk_written) == (1.64, 7, 5)
    assert stats.nodes["n0"].seconds_in_state == {"QUEUED": 0, "STARTED": 100}
    assert (stats.links["l0"].read_bytes, stats.links["l0"].written_packets, stats.links["l0"].drops) == (1, 4, 0)
    assert SimulationStats.read({"nodes": [{"id": "n0", **node}, "odd"], "links": [{"id": "l0", **link}]}) == stats


def test_element_states_are_by_kind_and_id() -> None:
    states = ElementStates.read({"nodes": {"n0": "BOOTED", "n1": None}, "links": {"l0": "STARTED"}})

    assert (states.nodes, states.links, states.interfaces) == ({"n0": "BOOTED", "n1": ""}, {"l0": "STARTED"}, {})


def test_telemetry_is_decided_by_a_flag_or_since_2_10_by_a_word() -> None:
    answers = (True, False, None, "accepted", "declined", "unset", "odd", 1)
    assert [TelemetrySetting.read({"opt_in": given}).opt_in for given in answers] == [
        True,
        False,
        None,
        True,
        False,
        None,
        None,
        None,
    ]


def sifted(content: bytes, *, newer_than: datetime | None = None, piece: int = 1) -> list[str]:
    sieve = EventSieve(newer_than=newer_than)
    for start in range(0, len(content), piece):
        sieve.feed(content[start : start + piece])
    assert sieve.complete
    return [event.category for event in sieve.events()]


EVENTS = b""" [ {"category":"b","timestamp":"2025-11-19T10:25:32.810Z","data":{"text":"quote \\" and ] } [ { \\\\","deep":[[{}],{"x":[]}]}},
  {"category":"a","timestamp":"2025-11-19T10:25:31","data":{"user_id":"u"}}, 17, "te]xt", null, [1,[2]], {}, {"category":5},
  {"category":"no time","timestamp":"soon","data":{}}, {"category":"c","timestamp":"2025-11-19T10:25:33.123456+01:00"},
  {"category":"d","timestamp":"2025-11-19T10:25:34.5","data":["odd"]} , {"category": "bad", nonsense} ] """


@pytest.mark.parametrize("piece", [1, 2, 7, 64, 100_000])
def test_telemetry_is_read_however_the_answer_is_cut(piece: int) -> None:
    assert sifted(EVENTS, piece=piece) == ["c", "a", "b", "d"]  # by time


def test_only_what_is_newer_than_the_moment_is_kept() -> None:
    assert sifted(EVENTS, newer_than=datetime(2025, 11, 19, 10, 25, 32, 810_000, tzinfo=UTC)) == ["d"]
    assert sifted(b"[]") == []


def test_a_flood_of_telemetry_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(name: str, second: int, filler: int = 0) -> bytes:
        return b'{"category":"%s","timestamp":"2025-11-19T10:25:%02d","data":{"f":"%s"}}' % (
            name.encode(),
            second,
            b"x" * filler,
        )

    monkeypatch.setattr(EventSieve, "MOST", 2)
    assert sifted(b"[" + b",".join([entry("old", 1), entry("new", 3), entry("mid", 2)]) + b"]") == ["mid", "new"]
    monkeypatch.setattr(EventSieve, "LONGEST", 100)
    assert sifted(b"[" + b",".join([entry("long", 4, 200), entry("new", 3)]) + b"]") == ["new"]
    monkeypatch.setattr(EventSieve, "MOST_BYTES", 100)
    assert sifted(b"[" + b",".join([entry("old", 1), entry("new", 3), entry("mid", 2)]) + b"]") == ["new"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1_767_323_045, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1e300, None),
        (None, None),
    ],
)
def test_a_console_was_last_used_at_a_time_in_either_notation(given: Any, expected: datetime | None) -> None:
    read = DispatcherConnection.read({"key": "secret-key", "connection": "Console", "clients": 2, "last_used": given})

    assert (read.last_used_at, read.clients, read.connection) == (expected, 2, "Console")
    assert "secret-key" not in repr(read)
    assert DispatcherConnection.read({"clients": ["a", "b", "c"]}).clients == 3


def test_hosts_notices_people_and_images_are_read() -> None:
    host = ComputeHost.read({"id": "c", "hostname": "cml-1", "admission_state": "READY", "node_counts": {"running_nodes": 3}})
    notice = CmlNotice.read({"id": "n", "level": "WARNING", "label": "l", "activated": "2026-01-01T00:00:00", "groups": ["g"]})
    user = CmlUser.read({"id": "u", "username": "ana", "email": None, "admin": False, "labs": ["l"], "opt_in": "unset"})

    assert (host.hostname, host.admission_state, host.nodes_running, host.nodes_total) == ("cml-1", "READY", 3, None)
    assert (notice.notice_id, notice.activated_at, notice.group_ids) == ("n", at("2026-01-01"), ("g",))
    assert (user.username, user.email, user.is_admin, user.lab_ids) == ("ana", "", False, ("l",))
    assert ImageDefinition.read({"id": "i", "node_definition_id": "iosv", "label": "IOSv"}).node_definition == "iosv"
    assert LabImport.read({"id": "l", "warnings": ["a", None, "b"]}).warnings == ("a", "b")
    assert LabImport.read({"id": "l", "warnings": "one"}).warnings == ("one",)
    mode = MaintenanceMode.read({"maintenance_mode": True, "notice": "n", "resolved_notice": {"id": "n", "label": "why"}})
    assert (mode.enabled, mode.notice_id, mode.notice.label) == (True, "n", "why")


READERS: dict[str, Callable[[Any], Any]] = {
    "account": CmlAccount.read,
    "compute": ComputeHost.read,
    "console": DispatcherConnection.read,
    "elements": ElementStates.read,
    "event": TelemetryEvent.read,
    "health": SystemHealth.read,
    "image": ImageDefinition.read,
    "import": LabImport.read,
    "information": SystemInformation.read,
    "lab": lambda value: Lab.read("id", value),
    "licensing": Licensing.read,
    "maintenance": MaintenanceMode.read,
    "node": LabNode.read,
    "notice": CmlNotice.read,
    "setting": TelemetrySetting.read,
    "simulation": SimulationStats.read,
    "stats": SystemStats.read,
    "tile": lambda value: LabTile.read("id", value),
    "topology": Topology.read,
    "user": CmlUser.read,
}
ODD: list[Any] = [
    None,
    True,
    -1,
    1e308,
    10**400,
    float("nan"),
    "",
    "\x00\ud800",
    [],
    [None],
    [[]],
    {},
    {"id": []},
    {"a": {"b": {}}},
]


def spoilt(value: Any, odd: Any) -> Any:
    """The same objects and arrays with `odd` at every leaf."""
    if isinstance(value, dict):
        return {name: spoilt(inner, odd) for name, inner in value.items()}
    return [spoilt(inner, odd) for inner in value] if isinstance(value, list) else odd


@pytest.mark.parametrize("reader", READERS)
def test_no_odd_value_anywhere_raises_and_no_text_is_one_that_a_database_refuses(reader: str) -> None:
    every_key = {
        **LICENSING,
        **TILE,
        "nodes": {"n": TILE},
        "links": {"l": TILE},
        "computes": {"c": {"stats": TILE}},
        "all": TILE,
    }
    for odd in ODD:
        for answer in (spoilt(every_key, odd), dict.fromkeys(every_key, odd), {"nodes": [odd], "links": odd, "topology": odd}):
            read = READERS[reader](answer)

            assert "\\x00" not in repr(read)
            assert "\\ud800" not in repr(read)
