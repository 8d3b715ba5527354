"""Each way in which a CML server can misbehave: the state, the sentence, the recovery, and that nobody else waits for it.

Real servers over HTTPS in one process; the limits are shortened, not the behaviour.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.makers import make_worker
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedCml, SimulatedFleet, eventually, start_simulated_cml
from workers.clients.cml.tokens import tokens
from workers.gates import gates_of
from workers.models import Event, Worker
from workers.services.cml_refresh import refresh_cml

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(60)]

SHORT = {"CML_CONNECT_TIMEOUT": 1.5, "CML_READ_TIMEOUT": 1.5, "CML_TOTAL_TIMEOUT": 2.0}
AT_ONCE = 1.4  # seconds within which the healthy servers are read: sooner than any time-out of the other one


@dataclass(frozen=True, kw_only=True)
class Case:
    """One misbehaviour: how it is switched, the service state, words of the first reason ("" for none), and the gate that is shut or unknown."""

    mode: str
    state: str
    words: str
    gate: str = ""  # "answers:shut" and so on
    options: dict[str, Any] = field(default_factory=dict)
    worker: dict[str, Any] = field(default_factory=dict)


CASES = {
    "refused": Case(mode="refused", state="unreachable", words="Nothing answers at", gate="answers:shut"),
    "cut": Case(mode="reset", state="starting", words="does not answer yet", gate="answers:shut"),
    "time-out": Case(mode="timeout", state="unreachable", words="took too long to answer", gate="answers:shut"),
    "mute port": Case(mode="mute", state="unreachable", words="took too long to answer", gate="answers:shut"),
    "502 HTML": Case(mode="502", state="starting", words="does not answer yet", gate="answers:shut"),
    "empty body": Case(mode="empty", state="unreachable", words="answered something that CML does not", gate="answers:shut"),
    "invalid JSON": Case(
        mode="garbage", state="unreachable", words="answered something that CML does not", gate="answers:shut"
    ),
    "nulls everywhere": Case(mode="nulls", state="starting", words="no compute can start nodes", gate="cml:shut"),
    "nulls behind the login": Case(
        mode="nulls",
        options={"paths": ["/system_stats", "/system_health", "/licensing", "/populate_lab_tiles"]},
        state="ready",
        words="",
        gate="cml:open",
    ),
    "401 mid-cycle": Case(mode="token_expired", state="ready", words="", gate="accepted:open"),
    "401 for ever": Case(
        mode="token_expired", options={"always": True}, state="refused", words="refuses each new session", gate="accepted:shut"
    ),
    "wrong certificate": Case(
        mode="none",
        worker={"tls_policy": "pinned", "tls_fingerprint": "ab" * 32},
        state="refused",
        words="another certificate than the trusted one",
        gate="accepted:shut",
    ),
    "30 s slow": Case(
        mode="slow", options={"delay": 0.4}, state="unreachable", words="took too long to answer", gate="answers:shut"
    ),
    "slow in the middle": Case(
        mode="slow",
        options={"delay": 0.4, "paths": ["/system_health"]},
        state="degraded",
        words="took too long to answer",
        gate="cml:open",
    ),
    "50 MB": Case(
        mode="huge",
        options={"size": 50 * 1024 * 1024, "paths": ["/system_stats"]},
        state="degraded",
        words="larger than",
        gate="cml:open",
    ),
    "a 500 of one service": Case(
        mode="error",
        options={"status": 500, "description": "Internal error", "paths": ["/licensing"]},
        state="degraded",
        words="Internal error",
        gate="cml:open",
    ),
    "too few rights for one call": Case(
        mode="error",
        options={"status": 403, "description": "Administrator access is required", "paths": ["/licensing"]},
        state="degraded",
        words="use an administrator's account",
        gate="accepted:open",
    ),
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    specs = [ServerSpec(demo=name) for name in ("ccnp-encor-01", "ccnp-encor-02", "sp-core-research", "ccna-evening")]
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=specs) as fleet:
        eventually(lambda: len(fleet.reports()) == len(specs))
        for server in fleet:
            server.set_fault("")
        yield fleet


@pytest.fixture(autouse=True)
def short_limits(settings: object, servers: SimulatedFleet) -> Iterator[None]:
    tokens.clear()
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD  # type: ignore[attr-defined]
    for name, value in SHORT.items():
        setattr(settings, name, value)
    yield
    servers[0].change(mode="none", fault="")


def fleet_of(servers: SimulatedFleet) -> list[Worker]:
    """Workers that have run well for three hours."""
    made = [
        make_worker(
            name=server.spec.demo,
            service_state="unknown",
            machine_state_since=timezone.now() - timedelta(hours=3),
            address_kind="custom",
            custom_endpoint=server.base_url,
        )
        for server in servers
    ]
    look_at_all()
    assert {worker.service_state for worker in Worker.objects.all()} == {"ready"}
    return made


def look_at_all() -> None:
    Worker.objects.update(cml_due_at=None, labs_due_at=None)
    assert refresh_cml(now=timezone.now()) == Worker.objects.count()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_misbehaviour_is_told_and_passes_and_delays_nobody(case: Case, servers: SimulatedFleet, mute: str) -> None:
    bad, *well = fleet_of(servers)
    known = Worker.objects.values("labs_total", "labs_running", "license_state", "cml_version").get(pk=bad.pk)
    events = Event.objects.count()
    misbehave(servers[0], bad, case, mute)

    began = timezone.now()
    look_at_all()

    bad.refresh_from_db()
    assert bad.service_state == case.state
    reasons = " ".join(bad.service_reasons)
    assert case.words in reasons
    assert all(reason[-1] in ".!" for reason in bad.service_reasons)
    assert bool(reasons) == (case.state != "ready")
    gates = {gate.name: gate for gate in gates_of(bad)}
    name, _, state = case.gate.partition(":")
    assert gates[name].state == state
    assert state == "open" or gates[name].why in bad.service_reasons
    # What was not answered is still known.
    assert Worker.objects.values(*known).get(pk=bad.pk) == known
    told = Event.objects.filter(worker=bad, kind="worker.service").order_by("-id")
    if case.state != "ready":
        assert case.words in told[0].detail
        assert Event.objects.count() == events + 1
    for other in well:
        other.refresh_from_db()
        assert other.service_state == "ready"
        assert other.cml_succeeded_at is not None
        assert (other.cml_succeeded_at - began).total_seconds() < AT_ONCE

    servers[0].change(mode="none")
    Worker.objects.filter(pk=bad.pk).update(tls_policy="default", tls_fingerprint="", custom_endpoint=servers[0].base_url)
    look_at_all()
    bad.refresh_from_db()
    assert (bad.service_state, bad.service_reasons, bad.cml_error, bad.cml_timeouts) == ("ready", [], "", 0)
    assert all(gate.state == "open" and not gate.why for gate in gates_of(bad) if gate.name in {"answers", "accepted", "cml"})


@pytest.fixture(scope="module")
def mute() -> Iterator[str]:
    """The address of a port that takes connections and never says a word, not even in the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"


def misbehave(server: SimulatedCml, worker: Worker, case: Case, mute: str) -> None:
    if case.mode == "mute":
        Worker.objects.filter(pk=worker.pk).update(custom_endpoint=mute)
        return
    if case.worker:
        Worker.objects.filter(pk=worker.pk).update(**case.worker)
    server.set_mode(case.mode, **case.options)
