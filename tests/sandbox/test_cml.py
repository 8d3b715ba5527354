"""The simulated CML servers themselves: boot, rules, numbers, persistence, and the instances that they follow."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from cmlmanager.sandbox.fleet import FLEET
from tests.simulated_cml import (
    PASSWORD,
    USERNAME,
    ServerSpec,
    SimulatedCml,
    http,
    signed_in,
    simulated_cml,
    simulated_cml_process,
    start_simulated_cml,
)

__all__ = ["simulated_cml", "simulated_cml_process"]

CREDENTIALS = {"username": USERNAME, "password": PASSWORD}
NEEDS_TOKEN = [
    ("GET", "/authok"),
    ("DELETE", "/logout"),
    ("GET", "/system_stats"),
    ("GET", "/system_health"),
    ("GET", "/licensing"),
    ("GET", "/labs"),
    ("GET", "/labs/90f84e38-a71c-4d57-8d90-00fa8a197385"),
    ("GET", "/labs/90f84e38-a71c-4d57-8d90-00fa8a197385/state"),
    ("GET", "/populate_lab_tiles"),
    ("GET", "/users"),
]


@pytest.fixture
def api(simulated_cml: SimulatedCml) -> Iterator[httpx.Client]:
    with signed_in(simulated_cml) as client:
        yield client


# --- authentication and input


def test_auth_extended_tells_who_and_gives_a_token_of_a_day(simulated_cml: SimulatedCml) -> None:
    with http(simulated_cml) as client:
        answer = client.post("/auth_extended", json=CREDENTIALS).json()

    assert {**answer, "token": ""} == {
        "username": "admin",
        "id": "00000000-0000-4000-a000-000000000000",
        "token": "",
        "admin": True,
        "error": None,
    }
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert jwt.get_unverified_header(answer["token"])["alg"] == "HS256"
    assert (claims["iss"], claims["sub"], claims["exp"] - claims["iat"]) == ("com.cisco.virl", answer["id"], 86400)


@pytest.mark.parametrize(("method", "path"), NEEDS_TOKEN)
@pytest.mark.parametrize("token", ["", "not-a-token", jwt.encode({"sub": "x", "iss": "com.cisco.virl"}, "k" * 32)])
def test_without_a_good_token_the_answer_is_401(simulated_cml: SimulatedCml, method: str, path: str, token: str) -> None:
    with http(simulated_cml, token) as client:
        answer = client.request(method, path)

    assert answer.status_code == 401
    assert answer.json()["code"] == 401
    assert answer.json()["description"]


def test_wrong_credentials_are_403(simulated_cml: SimulatedCml) -> None:
    with http(simulated_cml) as client:
        for path in ("/authenticate", "/auth_extended"):
            for wrong in ({"password": "x"}, {"username": "nobody"}):
                assert client.post(path, json={**CREDENTIALS, **wrong}).status_code == 403


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({**CREDENTIALS, "remember": True}, ["body", "remember"]),
        ({"username": "admin"}, ["body", "password"]),
        ({**CREDENTIALS, "username": "a" * 33}, ["body", "username"]),
        ({**CREDENTIALS, "username": ""}, ["body", "username"]),
        ({**CREDENTIALS, "password": 7}, ["body", "password"]),
        (["admin"], ["body"]),
        ("{", ["body"]),
    ],
)
def test_a_login_body_is_read_strictly(simulated_cml: SimulatedCml, body: Any, location: list[str]) -> None:
    with http(simulated_cml) as client:
        answer = client.post("/auth_extended", content=body if isinstance(body, str) else json.dumps(body))

    assert answer.status_code == 400
    assert answer.json()["code"] == 400
    (found,) = json.loads(answer.json()["description"])["Input validation failed"]
    assert found["location"] == location


def test_logout_ends_the_session_and_no_other(simulated_cml: SimulatedCml) -> None:
    with signed_in(simulated_cml) as first, signed_in(simulated_cml) as second:
        assert first.delete("/logout").json() is True
        assert first.get("/authok").status_code == 401
        assert second.get("/authok").status_code == 200
        second.delete("/logout", params={"clear_all_sessions": "true"})
        assert second.get("/authok").status_code == 401


def test_unknown_paths_and_methods_answer_in_cmls_error_shape(api: httpx.Client) -> None:
    for answer in (api.get("/nothing"), api.put("/licensing")):
        assert answer.status_code in (404, 405)
        assert set(answer.json()) == {"code", "description"}
        assert answer.json()["code"] == answer.status_code


def test_lab_ids_are_checked(api: httpx.Client) -> None:
    assert api.get("/labs/not-a-uuid").status_code == 400
    missing = api.get("/labs/90f84e38-a71c-4d57-8d90-00fa8a197385")
    assert (missing.status_code, missing.json()["description"]) == (404, "Lab not found: 90f84e38-a71c-4d57-8d90-00fa8a197385")
    assert api.get("/labs", params={"show_all": "perhaps"}).status_code == 400


# --- shapes


def test_the_lab_list_details_and_tiles_agree(api: httpx.Client) -> None:
    ids = api.get("/labs", params={"show_all": "true"}).json()
    tiles = api.get("/populate_lab_tiles").json()["lab_tiles"]

    assert set(ids) == set(tiles)
    assert len(ids) == 8
    assert api.get("/labs").json() == []  # the labs are Ana's; the administrator sees them only when asking for all
    for lab_id, tile in tiles.items():
        details = api.get(f"/labs/{lab_id}").json()
        assert {**details, "topology": tile["topology"]} == tile
        assert api.get(f"/labs/{lab_id}/state").json() == tile["state"]
        assert (len(tile["topology"]["nodes"]), len(tile["topology"]["links"])) == (tile["node_count"], tile["link_count"])
        assert {node["state"] for node in tile["topology"]["nodes"]} == (
            {"BOOTED"} if tile["state"] == "STARTED" else {tile["state"]}
        )


def test_licence_dates_are_naive_and_lab_dates_are_not(api: httpx.Client) -> None:
    licence = api.get("/licensing").json()
    assert datetime.strptime(licence["registration"]["expires"], "%Y-%m-%d %H:%M:%S").tzinfo is None  # noqa: DTZ007
    assert licence["registration"]["register_time"]["succeeded"] is None

    tile = next(iter(api.get("/populate_lab_tiles").json()["lab_tiles"].values()))
    assert datetime.fromisoformat(tile["created"]).utcoffset() == timedelta(0)


def test_what_2_10_changed(tmp_path: Path, api: httpx.Client) -> None:
    old_stats, old_lab = (
        api.get("/system_stats").json(),
        next(iter(api.get("/populate_lab_tiles").json()["lab_tiles"].values())),
    )
    assert isinstance(old_stats["all"]["memory"]["used"], float)
    assert "groups" in old_lab
    assert api.get("/authentication").status_code == 404
    assert "timeout" not in api.get("/system_information").json()

    with start_simulated_cml(tmp_path, servers=[ServerSpec(demo="devnet-sandbox")]) as fleet, signed_in(fleet[0]) as new:
        stats, lab = new.get("/system_stats").json(), next(iter(new.get("/populate_lab_tiles").json()["lab_tiles"].values()))
        assert isinstance(stats["all"]["memory"]["used"], int)
        assert isinstance(stats["all"]["cpu"]["percent"], int)
        assert "groups" not in lab
        assert lab["autostart"]["enabled"] is False
        assert new.get("/authentication").json()["username"] == "admin"
        assert new.get("/system_information").json() | {"version": ""} == {
            "version": "",
            "ready": True,
            "allow_ssh_pubkey_auth": False,
            "oui": "52:54:00:00:00:00",
            "timeout": 10,
            "features": [],
        }
        assert new.get("/system_health").json()["computes"].popitem()[1]["disk_overload"] is False


# --- faults and misbehaviour


def test_the_demo_fleets_faults_show_from_the_start(tmp_path: Path) -> None:
    names = {worker.fault: worker.name for worker in FLEET if worker.fault}
    specs = [ServerSpec(demo=name) for name in names.values()]
    with start_simulated_cml(tmp_path, servers=specs) as fleet:
        servers = dict(zip(names, fleet, strict=True))

        with http(servers["refused"]) as client:
            assert client.post("/authenticate", json=CREDENTIALS).status_code == 403
        with signed_in(servers["degraded"]) as client:
            health = client.get("/system_health").json()
            (compute,) = health["computes"].values()
            failing = [name for name, value in compute.items() if value is False]
            assert (health["valid"], sorted(failing)) == (False, ["docker_shim", "valid"])
        with signed_in(servers["unlicensed"]) as client:
            assert client.get("/licensing").json()["registration"]["status"] == "NOT_REGISTERED"
            assert client.get("/system_health").json()["is_licensed"] is False
        with signed_in(servers["out_of_compliance"]) as client:
            assert client.get("/licensing").json()["authorization"]["status"] == "OUT_OF_COMPLIANCE"
        with http(servers["silent"]) as client, pytest.raises(httpx.ConnectError):
            client.get("/system_information")


def test_a_misbehaviour_is_limited_to_paths_and_times(simulated_cml: SimulatedCml, api: httpx.Client) -> None:
    simulated_cml.set_mode("502", paths=["/licensing"], times=2)

    assert api.get("/system_stats").status_code == 200
    first = api.get("/licensing")
    assert (first.status_code, first.headers["content-type"].split(";")[0], first.headers["server"]) == (
        502,
        "text/html",
        "nginx",
    )
    assert api.get("/licensing").status_code == 502
    assert api.get("/licensing").status_code == 200
    assert simulated_cml.report()["mode"] == "none"


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "exploding"},
        {"mode": "502", "pahts": ["/x"]},
        {"mode": "error", "status": 200},
        {"mode": "slow", "delay": "long"},
        {"mode": "huge", "size": 10**12},
        {"fault": "burning"},
        {"lab_states": {"no-lab": "STARTED"}},
        {"add_labs": [{"name": "x"}]},
        [],
    ],
)
def test_the_control_listener_refuses_what_it_does_not_know(simulated_cml: SimulatedCml, body: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        simulated_cml._fleet.control("POST", f"/servers/{simulated_cml.instance_id}", body)

    assert caught.value.code == 400
    assert json.loads(caught.value.read())["error"]
    assert simulated_cml.report()["mode"] == "none"


def test_labs_change_through_the_control_listener(tmp_path: Path) -> None:
    with start_simulated_cml(tmp_path, servers=[ServerSpec()]) as fleet, signed_in(fleet[0]) as client:
        assert client.get("/populate_lab_tiles").json() == {"lab_tiles": {}}
        assert client.get("/licensing").json()["registration"]["status"] == "NOT_REGISTERED"

        fleet[0].change(add_labs=[{"title": "New", "owner": "ana", "nodes": 5, "running": True}])
        ((lab_id, tile),) = client.get("/populate_lab_tiles").json()["lab_tiles"].items()
        assert (tile["lab_title"], tile["owner_username"], tile["node_count"], tile["state"]) == ("New", "ana", 5, "STARTED")
        fleet[0].change(lab_states={lab_id: "STOPPED"})
        assert client.get(f"/labs/{lab_id}/state").json() == "STOPPED"
        fleet[0].change(remove_labs=[lab_id])
        assert client.get(f"/labs/{lab_id}").status_code == 404
