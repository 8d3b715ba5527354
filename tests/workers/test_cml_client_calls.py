"""What the CML client sends for each call, and what it makes of CML's answers: paths, bodies, errors, limits, repetitions."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.scripted_cml import TOKEN, Scripted, ScriptedCml, scripted_cml
from workers.clients.cml import (
    CmlAccount,
    CmlClient,
    CmlConflict,
    CmlError,
    CmlNotFound,
    CmlNotReady,
    CmlRefused,
    CmlRejected,
    CmlUnexpected,
    CmlUnreachable,
    Deregistration,
)

__all__ = ["scripted_cml"]
LAB, NODE, NOTICE = (f"{n}0000000-0000-4000-a000-000000000000" for n in "123")
NODES = "operational=false&exclude_configurations=true"
Ask = Callable[[CmlClient], Any]

WRITES: list[tuple[Ask, str, str, Any, Any]] = [  # the call, what is sent, and what is answered (None: 204)
    (
        lambda c: c.register_license(token="ABC123="),
        "POST",
        "/licensing/registration",
        {"token": "ABC123=", "reregister": False},
        None,
    ),
    (lambda c: c.renew_registration(), "PUT", "/licensing/registration/renew", b"", None),
    (lambda c: c.renew_authorization(), "PUT", "/licensing/authorization/renew", b"", None),
    (lambda c: c.deregister_license(), "DELETE", "/licensing/deregistration", b"", None),
    (lambda c: c.set_product_license("CML_Enterprise"), "PUT", "/licensing/product_license", "CML_Enterprise", None),
    (lambda c: c.set_feature_counts({"a.b": 5}), "PATCH", "/licensing/features", [{"id": "a.b", "count": 5}], None),
    (
        lambda c: c.create_notice(level="WARNING", label="Stops soon"),
        "POST",
        "/system/notices",
        {"level": "WARNING", "label": "Stops soon", "content": "", "enabled": True, "groups": []},
        {"id": NOTICE},
    ),
    (lambda c: c.update_notice(NOTICE, enabled=False), "PATCH", f"/system/notices/{NOTICE}", {"enabled": False}, {}),
    (lambda c: c.delete_notice(NOTICE), "DELETE", f"/system/notices/{NOTICE}", b"", None),
    (
        lambda c: c.set_maintenance_mode(True, notice_id=NOTICE),
        "PATCH",
        "/system/maintenance_mode",
        {"maintenance_mode": True, "notice": NOTICE},
        {"maintenance_mode": True},
    ),
    (lambda c: c.start_lab(LAB), "PUT", f"/labs/{LAB}/start", b"", None),
    (lambda c: c.stop_lab(LAB), "PUT", f"/labs/{LAB}/stop", b"", None),
    (lambda c: c.wipe_lab(LAB), "PUT", f"/labs/{LAB}/wipe", b"", None),
    (lambda c: c.delete_lab(LAB), "DELETE", f"/labs/{LAB}", b"", None),
    (
        lambda c: c.extract_configuration(LAB, NODE),
        "PUT",
        f"/labs/{LAB}/nodes/{NODE}/extract_configuration",
        b"",
        {},
    ),
    (
        lambda c: c.import_lab("lab:\n  title: ü\n", title="A & B?"),
        "POST",
        "/import?title=A+%26+B%3F",
        "lab:\n  title: ü\n".encode(),
        {"id": LAB, "warnings": None},
    ),
]
READS: list[tuple[Ask, str, Any]] = [  # the call, what is asked for, and an answer of the right type
    (lambda c: c.licensing(), "/licensing", {}),
    (lambda c: c.compute_hosts(), "/system/compute_hosts", []),
    (lambda c: c.maintenance_mode(), "/system/maintenance_mode", {}),
    (lambda c: c.notices(), "/system/notices", []),
    (lambda c: c.telemetry(), "/telemetry", {}),
    (lambda c: c.telemetry_events(), "/telemetry/events", []),
    (lambda c: c.dispatcher_connections(), "/diagnostics/dispatcher", []),
    (lambda c: c.users(), "/users", []),
    (lambda c: c.lab_ids(), "/labs?show_all=true", []),
    (lambda c: c.lab(LAB), f"/labs/{LAB}", {}),
    (lambda c: c.lab_tiles(), "/populate_lab_tiles", {"lab_tiles": {}}),
    (lambda c: c.lab_state(LAB), f"/labs/{LAB}/state", "STARTED"),
    (lambda c: c.lab_element_states(LAB), f"/labs/{LAB}/lab_element_state", {}),
    (lambda c: c.check_if_converged(LAB), f"/labs/{LAB}/check_if_converged", False),
    (lambda c: c.nodes(LAB), f"/labs/{LAB}/nodes?data=true&{NODES}", []),
    (lambda c: c.all_nodes(), f"/nodes?{NODES}", []),
    (lambda c: c.topology(LAB), f"/labs/{LAB}/topology?exclude_configurations=true", {}),
    (lambda c: c.simulation_stats(LAB), f"/labs/{LAB}/simulation_stats", {}),
    (lambda c: c.node_definitions(), "/simplified_node_definitions", []),
    (lambda c: c.image_definitions(), "/image_definitions", []),
    (lambda c: c.download_lab(LAB), f"/labs/{LAB}/download", b"lab: {}\n"),
]


@pytest.mark.parametrize(("ask", "method", "path", "body", "answer"), WRITES, ids=[f"{w[1]} {w[2]}" for w in WRITES])
def test_each_write_is_one_request_with_exactly_the_fields_that_cml_knows(
    scripted_cml: ScriptedCml, ask: Ask, method: str, path: str, body: Any, answer: Any
) -> None:
    scripted_cml.say(Scripted(204) if answer is None else Scripted(200, answer))

    ask(scripted_cml.client())

    (asked,) = scripted_cml.asked
    assert (asked.method, asked.path) == (method, path)
    assert (asked.body if isinstance(body, bytes) else asked.json) == body
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers.get("content-type") == (None if isinstance(body, bytes) else "application/json")


@pytest.mark.parametrize(("ask", "path", "answer"), READS, ids=[r[1] for r in READS])
def test_each_read_is_one_request_and_odd_answers_raise_nothing_but_cml_errors(
    scripted_cml: ScriptedCml, ask: Ask, path: str, answer: Any
) -> None:
    scripted_cml.say(Scripted(200, answer))
    client = scripted_cml.client()

    ask(client)

    assert [(asked.method, asked.path) for asked in scripted_cml.asked] == [("GET", path)]
    for odd in (b"", b"<html>", b"null", b"\xff\xfe", b'{"a": {"b": [null]}}', b"[null, 1, [], {}]", b'""', b"[[["):
        scripted_cml.say(Scripted(200, odd))
        with contextlib.suppress(CmlUnexpected):
            ask(client)


@pytest.mark.parametrize("ask", [w[0] for w in WRITES], ids=[f"{w[1]} {w[2]}" for w in WRITES])
def test_a_write_without_an_answer_is_not_repeated_and_says_that_it_may_have_happened(
    scripted_cml: ScriptedCml, ask: Ask
) -> None:
    for trouble, expected in ((Scripted(cut=True), CmlNotReady), (Scripted(504, b"<html>"), CmlNotReady)):
        scripted_cml.say(trouble)

        with pytest.raises(expected) as caught:
            ask(scripted_cml.client())

        assert len(scripted_cml.asked) == 1
        assert caught.value.maybe_done
        assert "look before you repeat it." in caught.value.sentence


@pytest.mark.parametrize("answer", [Scripted(400, {"code": 400, "description": "No."}), Scripted(503), Scripted(404)])
def test_a_write_that_cml_refused_has_not_happened(scripted_cml: ScriptedCml, answer: Scripted) -> None:
    scripted_cml.say(answer)

    with pytest.raises(CmlError) as caught:
        scripted_cml.client().start_lab(LAB)

    assert not caught.value.maybe_done


def test_a_write_that_never_left_has_not_happened() -> None:
    client = CmlClient(base_url="https://no-such-host.invalid", credential=None)
    with pytest.raises(CmlRefused):
        client.start_lab(LAB)
    with pytest.raises(CmlUnreachable) as caught:
        client.maintenance_mode()
    assert not caught.value.maybe_done


def test_a_write_with_a_token_that_has_expired_is_sent_once_more(scripted_cml: ScriptedCml) -> None:
    scripted_cml.say(Scripted(401, {"code": 401, "description": "Expired."}), Scripted(200, {"id": LAB, "warnings": ["w"]}))

    made = scripted_cml.client().import_lab("lab: {}")

    assert (made.lab_id, made.warnings) == (LAB, ("w",))
    assert [asked.body for asked in scripted_cml.asked] == [b"lab: {}", b"lab: {}"]
    assert scripted_cml.logins == 2


HOSTILE = ["", "..", ".", "../users", "a/b", "a?b=c", "a#b", "a%2fb", "a\\b", "a b", "ä", "a\n", "x" * 200, "..%2f"]


@pytest.mark.parametrize("identity", HOSTILE)
def test_an_id_from_outside_cannot_leave_its_path(scripted_cml: ScriptedCml, identity: str) -> None:
    scripted_cml.say(Scripted(204))
    client = scripted_cml.client()

    for ask in (client.delete_lab, client.lab, client.download_lab, client.delete_notice, client.start_lab, client.nodes):
        with pytest.raises(CmlNotFound):
            ask(identity)
    with pytest.raises(CmlNotFound):
        client.extract_configuration(LAB, identity)

    assert scripted_cml.asked == []


@pytest.mark.parametrize(
    ("status", "description", "expected"),
    [
        (202, None, Deregistration.UNCONFIRMED),
        (204, None, Deregistration.RELEASED),
        (400, "The product instance has already been de-registered.", Deregistration.ALREADY),
        (400, "Licensing issue: Product already deregistered", Deregistration.ALREADY),
    ],
)
def test_deregistration_ends_in_one_of_three_ways(
    scripted_cml: ScriptedCml, status: int, description: str | None, expected: Deregistration
) -> None:
    scripted_cml.say(Scripted(status, {"code": status, "description": description} if description else b""))

    assert scripted_cml.client().deregister_license() is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Scripted(400, {"code": 400, "description": "Something new."}), CmlRejected),
        (Scripted(400, b"<html>"), CmlRejected),
        (Scripted(200, {}), CmlUnexpected),
        (Scripted(403, {"code": 403, "description": "Denied."}), CmlRefused),
        (Scripted(409, {"code": 409, "description": "Busy."}), CmlConflict),
    ],
)
def test_no_other_answer_counts_as_a_deregistration(
    scripted_cml: ScriptedCml, answer: Scripted, expected: type[CmlError]
) -> None:
    scripted_cml.say(answer)

    with pytest.raises(expected) as caught:
        scripted_cml.client().deregister_license()

    assert type(caught.value) is expected


def test_a_write_whose_answer_holds_no_id_may_have_made_something(scripted_cml: ScriptedCml) -> None:
    for answer in (Scripted(204), Scripted(200, {}), Scripted(200, b"<html>")):
        scripted_cml.say(answer)
        for ask in (lambda c: c.create_notice(level="INFO", label="l"), lambda c: c.import_lab("lab: {}")):
            with pytest.raises(CmlUnexpected) as caught:
                ask(scripted_cml.client())
            assert caught.value.maybe_done


def test_a_topology_that_is_too_large_for_cml_is_rejected_in_words(scripted_cml: ScriptedCml) -> None:
    scripted_cml.say(Scripted(413, b"<html><h1>413 Request Entity Too Large</h1></html>"))

    with pytest.raises(CmlRejected, match="make it smaller"):
        scripted_cml.client().import_lab("lab: {}")


def test_cmls_own_words_are_kept_apart_and_shortened(scripted_cml: ScriptedCml) -> None:
    scripted_cml.say(Scripted(400, {"code": 400, "description": "Cannot start. " + "x" * 5000}))

    with pytest.raises(CmlRejected) as caught:
        scripted_cml.client().start_lab(LAB)

    assert caught.value.description.startswith("Cannot start. xxx")
    assert len(caught.value.description) == 500


def test_a_download_has_more_room_than_other_answers(scripted_cml: ScriptedCml) -> None:
    yaml = b"lab:\n  notes: " + b"x" * 3000
    scripted_cml.say(Scripted(200, yaml))
    client = scripted_cml.client(max_body=1000, max_large_body=5000)

    assert client.download_lab(LAB) == yaml.decode()
    with pytest.raises(CmlUnexpected, match="larger than 1000 bytes"):
        client.licensing()
    with pytest.raises(CmlUnexpected, match="larger than 2000 bytes"):
        scripted_cml.client(max_large_body=2000).download_lab(LAB)


def test_a_long_call_has_more_time_than_others(scripted_cml: ScriptedCml) -> None:
    scripted_cml.say(Scripted(200, b"lab: {}\n", delay=0.3))
    client = scripted_cml.client(read_timeout=0.15, total_timeout=10)

    hurried = scripted_cml.client(long_timeout=0.1)
    hurried.account()

    assert client.download_lab(LAB) == "lab: {}\n"
    with pytest.raises(CmlUnreachable, match=r"0\.15 s for each read and 10 s in all"):
        client.licensing()
    with pytest.raises(CmlUnreachable, match=r"0\.1 s for each read and 0\.1 s in all"):
        hurried.download_lab(LAB)


@pytest.mark.parametrize("quoted", ['"lab:\\n  title: \\u00fc\\n"', "lab:\n  title: ü\n"])
def test_a_download_is_the_yaml_itself_also_when_it_comes_as_a_json_string(scripted_cml: ScriptedCml, quoted: str) -> None:
    scripted_cml.say(Scripted(200, quoted.encode()))

    assert scripted_cml.client().download_lab(LAB) == "lab:\n  title: ü\n"


@pytest.mark.parametrize("body", [b"", b" \n", b"<!DOCTYPE html><p>Sign in: here</p>", b'""', b"\xff\xfe: x", b"null"])
def test_what_cannot_be_a_lab_is_no_download(scripted_cml: ScriptedCml, body: bytes) -> None:
    scripted_cml.say(Scripted(200, body))

    with pytest.raises(CmlUnexpected):
        scripted_cml.client().download_lab(LAB)


@pytest.mark.parametrize("body", [{}, {"error": "x"}, [LAB, None], [LAB, {"id": LAB}], [""], None, "x"])
def test_a_list_of_labs_is_whole_or_an_error(scripted_cml: ScriptedCml, body: Any) -> None:
    scripted_cml.say(Scripted(200, body))

    with pytest.raises(CmlUnexpected):
        scripted_cml.client().lab_ids()


def test_the_account_is_known_from_a_new_login_whose_token_is_used_from_then_on(scripted_cml: ScriptedCml) -> None:
    scripted_cml.say(Scripted(200, {}))
    client = scripted_cml.client()

    account = client.account()
    client.licensing()

    assert account == CmlAccount(user_id="4cfc3696-0000-4000-a000-000000000001", username="admin", is_admin=True)
    assert scripted_cml.logins == 1


@pytest.mark.parametrize(
    ("now", "wanted", "sent", "read"),
    [
        (None, True, True, True),
        (True, False, False, False),
        ("unset", True, "accepted", True),
        ("accepted", False, "declined", False),
    ],
)
def test_telemetry_is_switched_in_the_words_of_the_servers_version(
    scripted_cml: ScriptedCml, now: Any, wanted: bool, sent: Any, read: bool
) -> None:
    scripted_cml.say(Scripted(200, {"opt_in": now, "show_modal": False}), Scripted(200, {"opt_in": sent, "show_modal": False}))

    assert scripted_cml.client().set_telemetry(wanted).opt_in is read
    assert scripted_cml.asked[-1].method == "PUT"
    assert scripted_cml.asked[-1].json == {"opt_in": sent}


@pytest.mark.parametrize("status", [400, 404])
def test_open_consoles_are_not_known_before_2_10(scripted_cml: ScriptedCml, status: int) -> None:
    scripted_cml.say(Scripted(status, {"code": status, "description": "Input should be 'computes'"}))

    assert scripted_cml.client().dispatcher_connections() is None


def test_a_years_telemetry_is_read_without_being_held(scripted_cml: ScriptedCml) -> None:
    entry = b'{"category": "system_stats", "timestamp": "2025-01-01T00:00:00Z", "data": {"filler": "%s"}},' % (b"x" * 4000)
    last = b'{"category": "start_lab", "timestamp": "2026-11-24T08:00:00Z", "data": {"user_id": "u"}}'
    scripted_cml.say(Scripted(200, b"[" + entry * 2_000 + last + b"]"))  # 8 MB
    client = scripted_cml.client(max_body=1000, max_large_body=1000)
    client.account()
    tracemalloc.start()
    try:
        (event,) = client.telemetry_events(newer_than=datetime(2026, 11, 1, tzinfo=UTC))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (event.category, event.user_id) == ("start_lab", "u")
    assert peak < 2 * 1024 * 1024


@pytest.mark.parametrize("cut", [b"[", b'[{"category": "start_lab"', b'{"code": 500}', b"[]]"[:1] + b'{"a": 1}'])
def test_telemetry_that_is_cut_off_is_an_error_and_no_silence(scripted_cml: ScriptedCml, cut: bytes) -> None:
    scripted_cml.say(Scripted(200, cut))

    with pytest.raises(CmlUnexpected):
        scripted_cml.client().telemetry_events()
