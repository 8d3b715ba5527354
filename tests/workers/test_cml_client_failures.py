"""The CML client on bad days: each failure has its exception in time, and no secret shows."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cmlmanager.sandbox.cml.certificates import ensure_certificate, server_context
from tests.simulated_cml import (
    GOOD,
    OFF,
    PASSWORD,
    ServerSpec,
    SimulatedCml,
    client_of,
    cml_client,
    free_port,
    simulated_cml,
    simulated_cml_process,
    start_simulated_cml,
)
from workers.clients.cml import (
    CmlClient,
    CmlConflict,
    CmlError,
    CmlNotFound,
    CmlNotReady,
    CmlRefused,
    CmlRejected,
    CmlUnexpected,
    CmlUnreachable,
    Licensing,
    SystemHealth,
    SystemInformation,
    SystemStats,
)
from workers.clients.cml.tokens import Token, tokens

__all__ = ["cml_client", "simulated_cml", "simulated_cml_process"]
CALLS: dict[str, Callable[[CmlClient], Any]] = {
    "system_information": CmlClient.system_information,
    "system_stats": CmlClient.system_stats,
    "system_health": CmlClient.system_health,
    "licensing": CmlClient.licensing,
    "lab_tiles": CmlClient.lab_tiles,
}


@pytest.fixture(autouse=True)
def _each_test_logs_in_itself() -> None:
    tokens.clear()


MISBEHAVIOURS: list[tuple[str, type[CmlError], bool]] = [
    ("refused", CmlUnreachable, True),
    ("reset", CmlNotReady, True),
    ("timeout", CmlUnreachable, True),
    ("502", CmlNotReady, True),
    ("empty", CmlUnexpected, False),
    ("garbage", CmlUnexpected, False),
    ("slow", CmlUnreachable, True),
    ("huge", CmlUnexpected, False),
]


@pytest.mark.parametrize(("mode", "expected", "retryable"), MISBEHAVIOURS)
@pytest.mark.parametrize("call", ["system_information", "system_stats"])
def test_each_misbehaviour_ends_in_time_with_its_exception(
    simulated_cml: SimulatedCml, mode: str, expected: type[CmlError], retryable: bool, call: str
) -> None:
    client = client_of(simulated_cml, connect_timeout=1.0, read_timeout=0.4, total_timeout=0.8, max_body=1024 * 1024)
    simulated_cml.set_mode(mode, delay=0.1)
    began = time.monotonic()

    with pytest.raises(CmlError) as caught:
        CALLS[call](client)

    assert type(caught.value) is expected
    assert time.monotonic() - began < 2
    assert caught.value.retryable is retryable
    assert caught.value.sentence.endswith(".")
    assert simulated_cml.spec.address in caught.value.sentence
    assert caught.value.detail


@pytest.mark.parametrize("call", CALLS)
def test_nulls_everywhere_are_read_as_not_known(cml_client: CmlClient, simulated_cml: SimulatedCml, call: str) -> None:
    simulated_cml.set_mode("nulls")

    answer = CALLS[call](cml_client)

    if isinstance(answer, SystemStats):
        assert (answer.cpu_percent, answer.memory_percent, answer.nodes_running) == (None, None, None)
    elif isinstance(answer, SystemHealth):
        assert (answer.valid, answer.is_licensed, answer.reasons) == (None, None, ())
    elif isinstance(answer, Licensing):
        assert (answer.registration_status, answer.registration_expires_at) == ("", None)
    elif isinstance(answer, SystemInformation):
        assert answer == SystemInformation(version="", ready=False)
    else:
        assert len(answer) == 8  # a lab whose details are not known is still there
        assert {(tile.title, tile.state, tile.node_count) for tile in answer} == {("", "", None)}


def test_a_server_recovers_from_each_misbehaviour(cml_client: CmlClient, simulated_cml: SimulatedCml) -> None:
    for mode in ("refused", "reset", "502"):
        simulated_cml.set_mode(mode)
        with pytest.raises(CmlError):
            cml_client.system_stats()
        simulated_cml.set_mode("none")

        assert cml_client.system_stats().computes


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        (400, CmlRejected, "because"),
        (422, CmlRejected, "because"),
        (403, CmlRefused, "administrator"),
        (404, CmlNotFound, "because"),
        (409, CmlConflict, "because"),
        (429, CmlNotReady, "try again"),
        (500, CmlUnexpected, "because"),
        (503, CmlNotReady, "maintenance"),
        (504, CmlNotReady, "maintenance"),
    ],
)
def test_error_answers_become_exceptions_with_cmls_own_words(
    cml_client: CmlClient, simulated_cml: SimulatedCml, status: int, expected: type[CmlError], words: str
) -> None:
    simulated_cml.set_mode("error", status=status, description="because of this.", paths=["/licensing"])

    with pytest.raises(expected) as caught:
        cml_client.licensing()

    assert words in caught.value.sentence
    assert f"HTTP {status}" in caught.value.detail
    assert ".." not in caught.value.sentence


def test_a_description_that_holds_json_is_unpacked_to_words(cml_client: CmlClient, simulated_cml: SimulatedCml) -> None:
    found = [{"location": ["body", "title"], "type": "string_too_short", "message": "String should have at least 1 character"}]
    simulated_cml.set_mode(
        "error", status=400, description=json.dumps({"Input validation failed": found}), paths=["/licensing"]
    )

    with pytest.raises(CmlRejected) as caught:
        cml_client.licensing()

    assert "Input validation failed: title: String should have at least 1 character." in caught.value.sentence


def test_an_unknown_name_is_told_apart_from_a_server_that_is_down() -> None:
    with pytest.raises(CmlUnreachable, match="cannot be resolved"):
        CmlClient(base_url="https://no-such-host.invalid", credential=None).system_information()


def test_one_failing_call_leaves_the_others_working(cml_client: CmlClient, simulated_cml: SimulatedCml) -> None:
    simulated_cml.set_mode("502", paths=["/licensing"])

    with pytest.raises(CmlNotReady):
        cml_client.licensing()
    assert cml_client.system_stats().computes


def _tls_server(tmp_path: Path, answer: Callable[[ssl.SSLSocket], None]) -> tuple[str, threading.Thread, socket.socket]:
    """A TLS server on a loopback port that hands each request's connection to `answer`."""
    context = server_context(ensure_certificate(tmp_path, hostname="raw", address="127.0.0.1"))
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            raw, _ = listening.accept()
            with context.wrap_socket(raw, server_side=True) as connection:
                connection.recv(65536)
                answer(connection)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"https://127.0.0.1:{listening.getsockname()[1]}", thread, listening


def test_headers_that_drip_in_do_not_hold_the_caller_beyond_the_total_time(tmp_path: Path) -> None:
    def drip(connection: ssl.SSLSocket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Filler: a\r\n" * 10_000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    url, thread, listening = _tls_server(tmp_path, drip)
    began = time.monotonic()

    with listening, pytest.raises(CmlUnreachable, match="took too long"):
        CmlClient(base_url=url, credential=None, tls=OFF, read_timeout=5, total_timeout=0.6).system_information()

    assert time.monotonic() - began < 1.5
    thread.join(5)


@pytest.mark.parametrize(
    "body",
    [b"[]", b'"text"', b"null", b"[" * 100_000, b"1" * 10_000, b'{"lab_tiles": null}', b'{"lab_tiles": []}', b"{}"],
)
def test_an_answer_of_the_wrong_shape_is_an_error_and_no_empty_list(tmp_path: Path, body: bytes) -> None:
    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    url, thread, listening = _tls_server(tmp_path, answer)
    tokens.slot(base_url=url, credential=GOOD).token(login=lambda: Token("known"), refused=None, until=time.monotonic() + 1)

    with listening, pytest.raises(CmlUnexpected):
        CmlClient(base_url=url, credential=GOOD, tls=OFF).lab_tiles()
    thread.join(5)


def test_a_redirect_is_not_followed(tmp_path: Path, simulated_cml: SimulatedCml) -> None:
    target = f"{simulated_cml.base_url}/api/v0/system_information".encode()

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % target)

    url, thread, listening = _tls_server(tmp_path, answer)
    with listening, pytest.raises(CmlUnexpected, match="HTTP 302"):
        CmlClient(base_url=url, credential=None, tls=OFF).system_information()
    thread.join(5)


def test_something_that_speaks_no_tls_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            raw, _ = listening.accept()
            with raw:
                raw.recv(65536)
                raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(CmlNotReady):
            CmlClient(base_url=f"https://127.0.0.1:{listening.getsockname()[1]}", credential=None, tls=OFF).system_information()
        thread.join(5)


def test_a_boot_is_seen_as_unreachable_then_not_ready_then_ready(tmp_path: Path) -> None:
    # 12 s silent, 8 s of 502 and 10 s of starting, at 20 times the speed
    with start_simulated_cml(tmp_path, speed=20) as fleet:
        client = client_of(fleet.add(ServerSpec(running_for=0)), credential=None)
        seen: list[str] = []
        end = time.monotonic() + 10
        while "ready" not in seen and time.monotonic() < end:
            try:
                now = "ready" if client.system_information().ready else "starting"
            except CmlError as error:
                now = type(error).__name__
            if now not in seen[-1:]:
                seen.append(now)

    assert seen == ["CmlUnreachable", "CmlNotReady", "starting", "ready"]


def test_a_closed_port_is_unreachable_at_once() -> None:
    began = time.monotonic()

    with pytest.raises(CmlUnreachable, match="Nothing answers"):
        CmlClient(base_url=f"https://127.0.0.1:{free_port()}", credential=None).system_information()

    assert time.monotonic() - began < 1


def test_password_and_token_are_nowhere_to_be_seen(simulated_cml: SimulatedCml, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_of(simulated_cml, read_timeout=0.4, total_timeout=0.8, max_body=1024 * 1024)
    client.system_stats()
    slot = tokens.slot(base_url=simulated_cml.base_url, credential=GOOD)
    token = slot.token(login=lambda: pytest.fail("there is a token"), refused=None, until=time.monotonic() + 1).value
    shown = [repr(client), repr(GOOD), repr(slot), str(GOOD), repr(vars(client))]

    for mode, options in (
        *[(mode, {}) for mode, _, _ in MISBEHAVIOURS],
        ("garbage", {"paths": ["/auth_extended"]}),
        ("error", {"status": 400, "description": f'{{"input": "{PASSWORD}"}}', "paths": ["/auth_extended"]}),
    ):
        simulated_cml.set_mode(mode, **options)
        if options:
            tokens.clear()
        with pytest.raises(CmlError) as caught:
            client.system_stats()
        shown += [str(caught.value), repr(caught.value), caught.value.detail, _with_locals(caught.value)]
    shown += [record.getMessage() for record in caplog.records]

    assert len(token) > 40
    assert [text for text in shown if PASSWORD in text or token in text] == []


def _with_locals(error: BaseException) -> str:
    """What a debug page or an error collector shows: the traceback with contexts, causes and local variables."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(line for line in frames.format() if "test_cml_client" not in line)


def test_an_error_holds_no_reference_to_the_request(simulated_cml: SimulatedCml) -> None:
    simulated_cml.set_mode("refused")

    with pytest.raises(CmlUnreachable) as caught:
        client_of(simulated_cml).system_stats()

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
