"""The simulated licence: registered, renewed and given back as a real one, in time, over restarts, and with every refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cmlmanager.sandbox.cml.licence import NODE_FEATURE, Licence
from cmlmanager.sandbox.cml.pace import Pace
from tests.simulated_cml import ServerSpec, SimulatedCml, SimulatedFleet, eventually, signed_in, start_simulated_cml

TOKEN = "NDExMjQ4M2UtMGI0Ni00-MTc2Nzg="
ALREADY = "Licensing issue: The product has already been de-registered."


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=[ServerSpec(demo="tac-repro")], speed=20) as fleet:
        yield fleet


@pytest.fixture
def server(fleet: SimulatedFleet) -> SimulatedCml:
    """Unregistered, no node running, no misbehaviour."""
    fleet[0].change(fault="unlicensed", licensing={"registration": "", "renewal": "", "deregistration": ""})
    return fleet[0]


@pytest.fixture
def api(server: SimulatedCml) -> Iterator[httpx.Client]:
    with signed_in(server) as client:
        yield client


def statuses(api: httpx.Client) -> tuple[str, str]:
    answer = api.get("/licensing").json()
    return answer["registration"]["status"], answer["authorization"]["status"]


def registered(api: httpx.Client) -> None:
    assert api.post("/licensing/registration", json={"token": TOKEN}).status_code == 204
    eventually(lambda: statuses(api) == ("COMPLETED", "IN_COMPLIANCE"))


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["description"]


def days_until(text: str) -> float:
    return (datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) - datetime.now(UTC)) / timedelta(days=1)


def test_a_registration_is_accepted_first_and_done_later(api: httpx.Client) -> None:
    assert statuses(api) == ("NOT_REGISTERED", "INIT")

    accepted = api.post("/licensing/registration", json={"token": TOKEN, "reregister": False})

    assert (accepted.status_code, accepted.content) == (204, b"")
    eventually(lambda: statuses(api) == ("COMPLETED", "IN_COMPLIANCE"))
    answer = api.get("/licensing").json()
    assert (answer["registration"]["smart_account"], answer["registration"]["virtual_account"]) == (
        "Example Networks Academy",
        "CML Training",
    )
    assert 364 < days_until(answer["registration"]["expires"]) < 366
    assert 89 < days_until(answer["authorization"]["expires"]) < 91
    assert answer["registration"]["register_time"] == {
        "succeeded": None,
        "attempted": answer["registration"]["register_time"]["attempted"],
        "scheduled": None,
        "status": None,
        "failure": "OK",
        "success": "SUCCESS",
    }
    assert api.get("/system_health").json()["is_licensed"] is True


def test_while_a_registration_is_on_its_way_every_other_request_is_409(server: SimulatedCml, api: httpx.Client) -> None:
    server.change(licensing={"registration": "stuck"})
    api.post("/licensing/registration", json={"token": TOKEN})

    for answer in (
        api.post("/licensing/registration", json={"token": TOKEN, "reregister": True}),
        api.put("/licensing/registration/renew"),
        api.put("/licensing/authorization/renew"),
        api.delete("/licensing/deregistration"),
    ):
        assert said(answer) == (409, "Licensing issue: Another licensing request is in progress.")


@pytest.mark.parametrize(("token", "manner"), [("badTOKEN1", ""), (TOKEN, "fail"), ("expiredTOKEN1", "")])
def test_a_token_that_cisco_does_not_take_ends_in_failed_with_ciscos_words(
    server: SimulatedCml, api: httpx.Client, token: str, manner: str
) -> None:
    server.change(licensing={"registration": manner})
    assert api.post("/licensing/registration", json={"token": token}).status_code == 204
    eventually(lambda: statuses(api)[0] == "FAILED")

    told = api.get("/licensing").json()["registration"]["register_time"]
    assert (told["status"], told["success"]) == ("FAILED", "FAILED")
    assert f"The token '{token}' " in told["failure"]  # as the real one does: whoever shows these words shows the token


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"token": "with spaces"}, ["body", "token"]),
        ({"token": ""}, ["body", "token"]),
        ({"token": "a" * 257}, ["body", "token"]),
        ({"token": None}, ["body", "token"]),
        ({}, ["body", "token"]),
        ({"token": TOKEN, "reregister": "yes"}, ["body", "reregister"]),
        ({"token": TOKEN, "renew": True}, ["body", "renew"]),
    ],
)
def test_a_registration_is_read_strictly(api: httpx.Client, body: Any, location: list[str]) -> None:
    status, description = said(api.post("/licensing/registration", json=body))

    assert status == 400
    (found,) = json.loads(description)["Input validation failed"]
    assert found["location"] == location
    assert statuses(api)[0] == "NOT_REGISTERED"


def test_a_registered_server_registers_again_only_when_told_so(api: httpx.Client) -> None:
    registered(api)

    assert said(api.post("/licensing/registration", json={"token": TOKEN}))[0] == 400
    assert api.post("/licensing/registration", json={"token": TOKEN, "reregister": True}).status_code == 204
    eventually(lambda: statuses(api) == ("COMPLETED", "IN_COMPLIANCE"))


def test_deregistering_gives_the_seat_back_once(api: httpx.Client) -> None:
    registered(api)

    assert api.delete("/licensing/deregistration").status_code == 204
    assert statuses(api) == ("NOT_REGISTERED", "INIT")
    assert api.get("/licensing").json()["features"] == []
    assert said(api.delete("/licensing/deregistration")) == (400, ALREADY)


def test_202_looks_the_same_from_here(server: SimulatedCml, api: httpx.Client) -> None:
    registered(api)
    server.change(licensing={"deregistration": "202"})

    answer = api.delete("/licensing/deregistration")

    assert (answer.status_code, answer.content) == (202, b"")
    assert statuses(api)[0] == "NOT_REGISTERED"


@pytest.mark.parametrize(("manner", "status"), [("409", 409), ("403", 403), ("400", 400)])
def test_a_refused_deregistration_changes_nothing(server: SimulatedCml, api: httpx.Client, manner: str, status: int) -> None:
    registered(api)
    server.change(licensing={"deregistration": manner})

    assert said(api.delete("/licensing/deregistration"))[0] == status
    assert statuses(api)[0] == "COMPLETED"


def test_running_nodes_hold_the_seat(server: SimulatedCml, api: httpx.Client) -> None:
    registered(api)
    server.change(add_labs=[{"title": "Busy", "owner": "mei", "nodes": 2, "running": True}])

    assert said(api.delete("/licensing/deregistration")) == (400, "Licensing issue: Cannot de-register when nodes are running.")
    lab = next(k for k, v in api.get("/populate_lab_tiles").json()["lab_tiles"].items() if v["lab_title"] == "Busy")
    server.change(lab_states={lab: "STOPPED"})
    assert api.delete("/licensing/deregistration").status_code == 204


def test_renewals_move_the_expiry_or_say_why_not(server: SimulatedCml, api: httpx.Client) -> None:
    assert said(api.put("/licensing/registration/renew")) == (400, "Licensing issue: The product is not registered.")
    registered(api)
    server.change(licensing={"registration_expires": 3, "authorization_expires": 2})

    def days() -> tuple[int, int]:
        answer = api.get("/licensing").json()
        return round(days_until(answer["registration"]["expires"])), round(days_until(answer["authorization"]["expires"]))

    assert days() == (3, 2)
    assert api.put("/licensing/registration/renew").status_code == 204
    eventually(lambda: days() == (365, 2))
    assert api.put("/licensing/authorization/renew").status_code == 204
    eventually(lambda: days() == (365, 90))
    server.change(licensing={"renewal": "fail"})
    assert api.put("/licensing/authorization/renew").status_code == 204
    eventually(lambda: api.get("/licensing").json()["authorization"]["renew_time"]["status"] == "FAILED")
    assert days() == (365, 90)


def test_what_has_run_out_is_expired(server: SimulatedCml, api: httpx.Client) -> None:
    registered(api)
    server.change(licensing={"authorization_expires": -1})
    assert statuses(api) == ("COMPLETED", "AUTHORIZATION_EXPIRED")
    server.change(licensing={"registration_expires": "2020-01-01 00:00:00"})
    assert statuses(api)[0] == "EXPIRED"
    server.change(fault="evaluation")
    assert statuses(api) == ("NOT_REGISTERED", "EVAL_MODE")
    server.change(licensing={"authorization_expires": -1})
    assert statuses(api)[1] == "EVAL_EXPIRED"


def test_product_nodes_and_transport_are_set(api: httpx.Client) -> None:
    assert api.put("/licensing/product_license", json="CML_Personal").status_code == 204
    assert api.get("/licensing").json()["product_license"] == {"active": "CML_Personal", "is_enterprise": False}
    assert api.put("/licensing/product_license", json="CML_Enterprise").status_code == 204
    assert said(api.put("/licensing/product_license", json="CML_Imperial"))[0] == 400
    assert said(api.put("/licensing/product_license", json={"name": "CML_Enterprise"}))[0] == 400
    registered(api)
    assert api.patch("/licensing/features", json=[{"id": NODE_FEATURE, "count": 200}]).status_code == 204
    assert [one["in_use"] for one in api.get("/licensing").json()["features"]] == [1, 200]
    for wrong in ([], {}, [{"id": NODE_FEATURE}], [{"id": NODE_FEATURE, "count": 501}], [{"id": "regid.other", "count": 1}]):
        assert said(api.patch("/licensing/features", json=wrong))[0] == 400
    transport = {
        "ssms": "https://ssms.example.com:8443/Transportgateway/services/Handler",
        "proxy": {"server": "px", "port": 80},
    }
    assert api.put("/licensing/transport", json=transport).status_code == 204
    assert {**api.get("/licensing").json()["transport"], "default_ssms": ""} == {**transport, "default_ssms": ""}
    assert said(api.put("/licensing/transport", json={"ssms": "ftp://x", "proxy": {"server": None, "port": None}}))[0] == 400


def test_only_administrators_touch_the_licence(fleet: SimulatedFleet, server: SimulatedCml) -> None:
    with signed_in(server, "yuki") as user:
        assert said(user.delete("/licensing/deregistration"))[0] == 403
        assert said(user.post("/licensing/registration", json={"token": TOKEN}))[0] == 403


def test_a_registration_under_way_survives_a_restart(fleet: SimulatedFleet, server: SimulatedCml, api: httpx.Client) -> None:
    assert api.post("/licensing/registration", json={"token": TOKEN}).status_code == 204
    fleet.stop()
    fleet.start()

    eventually(lambda: statuses(api) == ("COMPLETED", "IN_COMPLIANCE"))


def test_a_registration_goes_through_cmls_states_in_believable_time() -> None:
    licence, seen = Licence(), []
    licence.register(token=TOKEN, reregister=False, manner="", now=1000.0, pace=Pace(1))

    for second in range(60):
        licence.settle(1000.0 + second)
        seen.append((licence.registration, licence.authorization))

    assert list(dict.fromkeys(seen)) == [("IN_PROGRESS", "INIT"), ("COMPLETED", "PENDING"), ("COMPLETED", "IN_COMPLIANCE")]
    assert 5 <= seen.count(("IN_PROGRESS", "INIT")) <= 20
    assert 3 <= seen.count(("COMPLETED", "PENDING")) <= 20


def test_at_speed_nought_everything_happens_at_once() -> None:
    licence = Licence()
    licence.register(token=TOKEN, reregister=False, manner="", now=1000.0, pace=Pace(0))

    licence.settle(1000.0)

    assert (licence.registration, licence.authorization, licence.busy()) == ("COMPLETED", "IN_COMPLIANCE", False)
