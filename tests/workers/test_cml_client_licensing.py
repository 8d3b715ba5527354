"""The CML client and the licence of a simulated CML: each way in and out, and a token that shows nowhere."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cmlmanager.sandbox.cml.licence import NODE_FEATURE
from tests.scripted_cml import Scripted, ScriptedCml, scripted_cml
from tests.simulated_cml import PASSWORD, ServerSpec, SimulatedCml, client_of, eventually, start_simulated_cml
from workers.clients.cml import (
    CmlClient,
    CmlConflict,
    CmlError,
    CmlNodesRunning,
    CmlRefused,
    CmlRejected,
    Deregistration,
    Licensing,
)
from workers.clients.cml.tokens import tokens

__all__ = ["scripted_cml"]
TOKEN = "NDExMjQ4M2UtMGI0Ni00Nzg5LWE4MTAtMTc2Nzg%3D"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SimulatedCml]]:
    """One without running nodes, one with many."""
    specs = [ServerSpec(demo="tac-repro"), ServerSpec(demo="ccnp-encor-01")]
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=specs, speed=20) as fleet:
        yield fleet


@pytest.fixture
def server(servers: list[SimulatedCml]) -> SimulatedCml:
    """Not registered."""
    servers[0].change(fault="unlicensed", licensing={"registration": "", "renewal": "", "deregistration": ""})
    return servers[0]


@pytest.fixture
def client(server: SimulatedCml) -> Iterator[CmlClient]:
    tokens.clear()
    client = client_of(server)
    yield client
    client.close()


def settled(client: CmlClient) -> Licensing:
    """The licence once nothing is on its way."""

    def done() -> Licensing | None:
        licence = client.licensing()
        busy = licence.registration_status == "IN_PROGRESS" or licence.authorization_status == "PENDING"
        return None if busy else licence

    found: Licensing = eventually(done)
    return found


def test_a_registration_ends_registered_and_can_be_given_back(client: CmlClient) -> None:
    client.set_product_license("CML_Enterprise")
    client.register_license(token=TOKEN)

    licence = settled(client)
    assert (licence.registration_status, licence.authorization_status) == ("COMPLETED", "IN_COMPLIANCE")
    assert timedelta(days=360) < licence.registration_expires_at - datetime.now(UTC) < timedelta(days=366)
    assert licence.register_time.success == "SUCCESS"

    client.set_feature_counts({NODE_FEATURE: 200})
    nodes = next(feature for feature in client.licensing().features if feature.feature_id == NODE_FEATURE)
    assert (nodes.in_use, nodes.minimum, nodes.maximum) == (200, 0, 500)

    assert client.deregister_license() is Deregistration.RELEASED
    assert client.licensing().registration_status == "NOT_REGISTERED"
    assert client.deregister_license() is Deregistration.ALREADY


def test_a_renewal_is_accepted_and_tells_when_it_was_done(client: CmlClient) -> None:
    client.register_license(token=TOKEN)
    settled(client)

    client.renew_registration()
    eventually(lambda: client.licensing().renew_time.attempted_at)
    client.renew_authorization()

    assert client.licensing().renew_time.failure == "OK"


def test_a_deregistration_that_cisco_did_not_confirm_is_told_apart(client: CmlClient, server: SimulatedCml) -> None:
    client.register_license(token=TOKEN)
    settled(client)
    server.change(licensing={"deregistration": "202"})

    assert client.deregister_license() is Deregistration.UNCONFIRMED


def test_running_nodes_hold_the_licence(servers: list[SimulatedCml]) -> None:
    with pytest.raises(CmlNodesRunning) as caught:
        client_of(servers[1]).deregister_license()

    assert "stop its labs first" in caught.value.sentence
    assert "nodes are running" in caught.value.description
    assert client_of(servers[1]).licensing().registration_status == "COMPLETED"


@pytest.mark.parametrize(
    ("manner", "expected", "words"), [("409", CmlConflict, "in progress"), ("403", CmlRefused, "Access denied")]
)
def test_a_busy_or_forbidden_licence_is_an_error_with_cmls_words(
    client: CmlClient, server: SimulatedCml, manner: str, expected: type[CmlError], words: str
) -> None:
    server.change(licensing={"registration": manner, "deregistration": manner})

    for ask in (client.deregister_license, lambda: client.register_license(token=TOKEN)):
        with pytest.raises(expected) as caught:
            ask()
        assert words in caught.value.description


def test_a_token_that_cisco_refuses_leaves_its_words_but_not_itself(client: CmlClient, server: SimulatedCml) -> None:
    server.change(licensing={"registration": "fail"})
    client.register_license(token=TOKEN)

    licence = settled(client)

    assert licence.registration_status == "FAILED"
    assert "is not valid" in licence.register_time.failure
    assert TOKEN not in repr(licence)


@pytest.mark.parametrize("token", ["", "two words", "x" * 257, 'quote"', "ümlaut", "line\n"])
def test_what_cannot_be_a_token_is_not_sent(client: CmlClient, server: SimulatedCml, token: str) -> None:
    before = server.report()["requests_total"]

    with pytest.raises(CmlRejected) as caught:
        client.register_license(token=token)

    assert server.report()["requests_total"] == before
    assert not token or token not in _shown(caught.value)


QUOTES = [
    f"Invalid token {TOKEN}",
    f'{{"Input validation failed": [{{"location": ["body", "token"], "message": "input_value=\'{TOKEN[:18]}...{TOKEN[-18:]}\'"}}]}}',
    f"Cisco says: {{'token': '{TOKEN.replace('%3D', '=')}'}}",
    "x" * 480 + TOKEN,
]


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("status", [400, 403, 409, 422, 500, 418])
def test_a_licence_token_that_cml_quotes_is_in_no_text_of_the_error(
    scripted_cml: ScriptedCml, caplog: pytest.LogCaptureFixture, status: int, quote: str
) -> None:
    caplog.set_level(logging.DEBUG)
    scripted_cml.say(Scripted(status, {"code": status, "description": quote}))

    with pytest.raises(CmlError) as caught:
        scripted_cml.client().register_license(token=TOKEN)

    shown = _shown(caught.value) + "".join(record.getMessage() for record in caplog.records)
    pieces = {TOKEN[at : at + 8] for at in range(len(TOKEN) - 7)}
    assert [piece for piece in sorted(pieces) if piece in shown] == []
    assert scripted_cml.asked[0].json["token"] == TOKEN


@pytest.mark.parametrize("trouble", ["refused", "reset", "timeout", "502", "empty", "garbage", "slow", "huge", "token_expired"])
def test_no_misbehaviour_shows_the_token_or_the_password(
    client: CmlClient, server: SimulatedCml, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    caplog.set_level(logging.DEBUG)
    client.licensing()  # there is a token, which both share
    hurried = client_of(server, read_timeout=0.4, total_timeout=0.8, max_body=100_000)
    server.set_mode(trouble, always=True)

    try:
        hurried.register_license(token=TOKEN)
        shown = ""  # nothing in the answer matters to it
    except CmlError as caught:
        shown = _shown(caught)
    finally:
        server.set_mode("none")
    shown += "".join(record.getMessage() for record in caplog.records) + repr(hurried) + repr(vars(hurried))

    assert TOKEN[:12] not in shown
    assert PASSWORD not in shown


def _shown(error: CmlError) -> str:
    """Everything that an error can show, as a debug page does: also the client's frames with their local variables."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    here = Path(__file__).name
    return "".join(
        [repr(error), str(error), error.sentence, error.detail, error.description]
        + [line for line in frames.format() if here not in line]
    )
