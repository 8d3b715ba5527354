"""The CML client against simulated CML servers over real HTTPS: what it answers, and its sessions."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulated_cml import (
    GOOD,
    OFF,
    PASSWORD,
    USERNAME,
    SimulatedCml,
    client_of,
    cml_client,
    simulated_cml,
    simulated_cml_process,
)
from workers.clients.cml import (
    CmlCertificateRefused,
    CmlClient,
    CmlRefused,
    Credential,
    SystemInformation,
    SystemStats,
    TlsPolicy,
    client_for,
)
from workers.clients.cml.client import _Clients
from workers.clients.cml.tokens import tokens

__all__ = ["cml_client", "simulated_cml", "simulated_cml_process"]


def logins(server: SimulatedCml) -> int:
    return server.requests().get("POST /auth_extended", 0)


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


def test_system_information_tells_version_and_readiness_without_an_account(simulated_cml: SimulatedCml) -> None:
    anonymous = client_of(simulated_cml, credential=None)

    assert anonymous.system_information() == SystemInformation(version="2.9.1+build.7", ready=True)


def test_system_stats_are_percentages_and_counts(cml_client: CmlClient) -> None:
    stats = cml_client.system_stats()

    assert 0 < stats.cpu_percent < 100
    assert 0 < stats.memory_percent < 100
    assert 0 < stats.disk_percent < 100
    assert (stats.nodes_running, stats.nodes_total) == (42, 56)
    (compute,) = stats.computes
    assert (compute.hostname, compute.is_controller, compute.cpu_count) == ("cml-controller", True, 48)
    assert compute.memory_total > 180 * 1024**3
    assert stats.memory_percent == pytest.approx(compute.memory_used / compute.memory_total * 100, abs=0.01)
    assert len(compute.load) == 3


def test_system_health_of_a_healthy_server_has_no_reasons(cml_client: CmlClient) -> None:
    health = cml_client.system_health()

    assert (health.valid, health.is_licensed, health.is_enterprise) == (True, True, True)
    assert health.reasons == ()
    assert health.computes[0].checks["kvm_vmx_enabled"] is True
    assert health.controller["core_connected"] is True


def test_a_failing_check_is_told_in_words(cml_client: CmlClient, simulated_cml: SimulatedCml) -> None:
    simulated_cml.set_fault("degraded")

    health = cml_client.system_health()

    assert health.valid is False
    assert health.reasons == ("the container service does not work on cml-controller: container nodes cannot start",)


def test_licensing_dates_are_aware_and_in_utc(cml_client: CmlClient) -> None:
    licence = cml_client.licensing()

    assert (licence.registration_status, licence.authorization_status) == ("COMPLETED", "IN_COMPLIANCE")
    assert (licence.product, licence.is_enterprise) == ("CML_Enterprise", True)
    assert licence.registration_expires_at.tzinfo is UTC
    assert timedelta(days=300) < licence.registration_expires_at - datetime.now(UTC) < timedelta(days=330)
    assert [feature.name for feature in licence.features] == ["CML - Enterprise License", "CML - Expansion Nodes"]
    assert (licence.smart_account, licence.virtual_account) == ("Example Networks Academy", "CML Training")


def test_an_unregistered_server_has_no_dates_and_no_features(cml_client: CmlClient, simulated_cml: SimulatedCml) -> None:
    simulated_cml.set_fault("unlicensed")

    licence = cml_client.licensing()

    assert licence.registration_status == "NOT_REGISTERED"
    assert (licence.registration_expires_at, licence.features, licence.smart_account) == (None, (), "")
    assert cml_client.system_health().reasons == ("CML is not licensed: labs cannot start until it is registered",)


def test_lab_tiles_are_one_request(cml_client: CmlClient, simulated_cml: SimulatedCml) -> None:
    before = simulated_cml.report()["requests_total"]

    tiles = {tile.title: tile for tile in cml_client.lab_tiles()}

    assert simulated_cml.report()["requests_total"] - before == 2  # with the login
    assert len(tiles) == 8
    ospf = tiles["ENCOR: OSPF multi-area"]
    assert (ospf.state, ospf.owner_username, ospf.node_count, ospf.description) == ("STARTED", "ana", 9, "Part of ENCOR.")
    assert ospf.link_count >= 8
    assert ospf.created_at < ospf.modified_at < datetime.now(UTC)


def test_many_calls_share_one_login_and_one_connection(simulated_cml: SimulatedCml, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "urllib3")
    before = logins(simulated_cml)
    client = client_of(simulated_cml)

    for call in CALLS.values():
        call(client)

    assert logins(simulated_cml) - before == 1
    assert sum("Starting new HTTPS connection" in record.message for record in caplog.records) == 1


def test_an_expired_token_is_renewed_once_and_the_call_repeated(cml_client: CmlClient, simulated_cml: SimulatedCml) -> None:
    cml_client.system_stats()
    before = simulated_cml.requests()
    simulated_cml.set_mode("token_expired")

    cml_client.system_stats()
    cml_client.system_stats()

    after = simulated_cml.requests()
    assert after["POST /auth_extended"] - before["POST /auth_extended"] == 1
    assert after["GET /system_stats"] - before["GET /system_stats"] == 3  # refused, repeated, and the second call


def test_a_server_that_refuses_new_tokens_is_asked_no_third_time(cml_client: CmlClient, simulated_cml: SimulatedCml) -> None:
    simulated_cml.set_mode("token_expired", always=True)
    before = simulated_cml.requests()

    with pytest.raises(CmlRefused) as caught:
        cml_client.licensing()

    after = simulated_cml.requests()
    assert after["GET /licensing"] - before.get("GET /licensing", 0) == 2
    assert after["POST /auth_extended"] - before.get("POST /auth_extended", 0) == 2
    assert "admin" in caught.value.sentence


@pytest.mark.parametrize("expired", [False, True])
def test_threads_that_come_at_once_share_one_login(simulated_cml: SimulatedCml, expired: bool) -> None:
    clients = [client_of(simulated_cml) for _ in range(8)]
    if expired:
        clients[0].system_stats()
        simulated_cml.set_mode("token_expired")
    before = logins(simulated_cml)
    together = threading.Barrier(8)

    def call(cml_client: CmlClient) -> SystemStats:
        together.wait(5)
        return cml_client.system_stats()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, clients))

    assert all(answer.nodes_total == 56 for answer in answers)
    assert logins(simulated_cml) - before == 1


def test_one_client_serves_several_threads(cml_client: CmlClient) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda call: call(cml_client), list(CALLS.values()) * 4))

    assert len(answers) == 20


def test_client_for_gives_the_same_client_for_the_same_settings(simulated_cml: SimulatedCml) -> None:
    url = simulated_cml.base_url
    first = client_for(base_url=url, credential=GOOD, tls=OFF)

    with ThreadPoolExecutor(1) as other_thread:
        assert (
            other_thread.submit(client_for, base_url=url, credential=Credential(USERNAME, PASSWORD), tls=OFF).result() is first
        )
    assert client_for(base_url=url, credential=Credential(USERNAME, "another"), tls=OFF) is not first
    assert client_for(base_url=url, credential=GOOD, tls=TlsPolicy("pinned", fingerprint="0" * 64)) is not first
    assert client_for(base_url=url, credential=GOOD, tls=OFF, read_timeout=3.0) is not first
    first.close()


def test_the_cache_of_clients_is_bounded_and_forgets_the_least_used(simulated_cml: SimulatedCml) -> None:
    cache = _Clients(most=3)
    made = [cache.get((n,), base_url=f"https://127.0.0.{n}", credential=None, tls=OFF) for n in range(1, 6)]

    assert cache.get((5,), base_url="https://unused", credential=None) is made[4]
    assert cache.get((1,), base_url="https://127.0.0.1", credential=None, tls=OFF) is not made[0]
    evicted = client_of(simulated_cml)
    evicted.close()
    assert evicted.system_information().ready  # whoever still holds it may go on


def test_a_client_unused_for_a_while_is_forgotten() -> None:
    cache = _Clients(idle_seconds=0)
    first = cache.get((1,), base_url="https://127.0.0.1", credential=None, tls=OFF)
    cache.get((2,), base_url="https://127.0.0.2", credential=None, tls=OFF)

    assert cache.get((1,), base_url="https://127.0.0.1", credential=None, tls=OFF) is not first


def test_an_old_server_without_auth_extended_is_logged_in_with_authenticate(
    cml_client: CmlClient, simulated_cml: SimulatedCml
) -> None:
    simulated_cml.set_mode("error", status=404, description="Not Found", paths=["/auth_extended"])

    assert cml_client.system_stats().nodes_total == 56
    assert simulated_cml.requests()["POST /authenticate"] >= 1


def test_a_wrong_password_is_refused_with_what_to_do(simulated_cml: SimulatedCml) -> None:
    with pytest.raises(CmlRefused) as caught:
        client_of(simulated_cml, credential=Credential(USERNAME, "wrong-password-1")).system_stats()

    assert "user name and password of 'admin'" in caught.value.sentence
    assert not caught.value.retryable
    assert not isinstance(caught.value, CmlCertificateRefused)


def test_without_an_account_nothing_is_asked_of_the_server(simulated_cml: SimulatedCml) -> None:
    before = simulated_cml.report()["requests_total"]

    with pytest.raises(CmlRefused, match="No CML account is set"):
        client_of(simulated_cml, credential=None).system_stats()

    assert simulated_cml.report()["requests_total"] == before


def test_no_client_keeps_sockets_open_after_close(simulated_cml: SimulatedCml) -> None:
    client = client_of(simulated_cml)
    client.system_information()
    (session,) = client._idle
    client.close()
    del session
    gc.collect()

    assert not client._idle
