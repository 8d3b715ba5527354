"""Trust on first use: the refresh reads what the server shows, an administrator compares and pins it, and a changed one is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedFleet, eventually, start_simulated_cml
from workers import certificates
from workers.clients.cml.tokens import tokens
from workers.gates import gates_of
from workers.models import Event, Worker
from workers.services import trust
from workers.services.cml_refresh import refresh_cml

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=[ServerSpec(demo="ccnp-encor-01")]) as fleet:
        eventually(lambda: len(fleet.reports()) == 1)
        yield fleet


@pytest.fixture(autouse=True)
def good_account(settings: Any) -> None:
    tokens.clear()
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD


@pytest.fixture
def worker(servers: SimulatedFleet) -> Worker:
    return make_worker(
        service_state="unknown",
        machine_state_since=timezone.now() - timedelta(hours=3),
        address_kind="custom",
        custom_endpoint=servers[0].base_url,
        tls_policy="pinned",
    )


def look(worker: Worker) -> Worker:
    Worker.objects.filter(pk=worker.pk).update(cml_due_at=None)
    assert refresh_cml(now=timezone.now()) == 1
    worker.refresh_from_db()
    return worker


def address(worker: Worker, rest: str = "") -> str:
    return f"/workers/{worker.pk}/connection/{rest}"


def test_a_pin_without_a_fingerprint_is_read_shown_compared_and_trusted(
    worker: Worker, servers: SimulatedFleet, ada: User
) -> None:
    worker = look(worker)
    assert worker.service_state == "refused"
    assert "No certificate is trusted yet" in worker.service_reasons[0]
    assert servers[0].report()["requests_total"] == 0  # nothing but a handshake

    page = signed_in(ada).get(address(worker)).content.decode()
    fingerprint = servers[0].fingerprint
    assert certificates.grouped(fingerprint) in page
    for words in ("Compare the certificate", "CN=cml-controller", "signed by itself", "First seen", "Trust this certificate"):
        assert words in page

    answer = signed_in(ada).post(address(worker, "trust/"), {"fingerprint": fingerprint})

    assert answer.status_code == 302
    worker = look(worker)
    assert (worker.service_state, worker.tls_policy, worker.tls_fingerprint) == ("ready", "pinned", fingerprint)
    assert worker.tls_seen == {}
    event = Event.objects.get(kind="worker.trust")
    assert (event.actor_name, event.after) == ("ada", certificates.grouped(fingerprint))
    assert event.from_address == "127.0.0.1"
    page = signed_in(ada).get(address(worker)).content.decode()
    assert "Only this one is accepted" in page
    assert "by ada" in page
    assert "Trust this certificate" not in page


@pytest.mark.parametrize("policy", ["system", "ca"])
def test_a_certificate_that_another_policy_refuses_is_offered_too(policy: str, worker: Worker, servers: SimulatedFleet) -> None:
    from tests.workers.test_connection import certificate

    Worker.objects.filter(pk=worker.pk).update(tls_policy=policy, tls_ca=certificate())

    worker = look(worker)

    assert worker.service_state == "refused"
    assert "can compare it and trust it" in worker.service_reasons[0]
    assert worker.tls_seen["fingerprint"] == servers[0].fingerprint
    accepted = next(gate for gate in gates_of(worker) if gate.name == "accepted")
    assert (accepted.state, accepted.why) == ("shut", worker.service_reasons[0])


def test_first_seen_stays_while_the_server_shows_the_same(worker: Worker) -> None:
    first = look(worker).tls_seen

    assert look(worker).tls_seen == first


def test_only_what_was_shown_can_be_trusted(worker: Worker, servers: SimulatedFleet, ada: User) -> None:
    worker = look(worker)
    shown_before = worker.tls_seen["fingerprint"]
    # While the person compares, the server shows another one.
    Worker.objects.filter(pk=worker.pk).update(tls_seen=worker.tls_seen | {"fingerprint": "cd" * 32})

    for posted in (shown_before, "", "cd" * 31):
        answer = signed_in(ada).post(address(worker, "trust/"), {"fingerprint": posted})
        assert answer.status_code == 422
        assert "Nothing was trusted" in answer.content.decode()

    worker.refresh_from_db()
    assert worker.tls_fingerprint == ""
    assert not Event.objects.filter(kind="worker.trust").exists()


def test_what_waits_no_more_cannot_be_trusted(worker: Worker, ada: User) -> None:
    with pytest.raises(trust.UnableToTrust, match="waits"):
        trust.trust_certificate(worker=worker, fingerprint="ab" * 32, by=ada, now=timezone.now())


def test_a_changed_certificate_is_shown_beside_the_old_one_and_gets_no_password(
    worker: Worker, servers: SimulatedFleet, ada: User
) -> None:
    server = servers[0]
    trusted = server.fingerprint
    worker = look(worker)
    trust.trust_certificate(worker=worker, fingerprint=trusted, by=ada, now=timezone.now())
    assert look(worker).service_state == "ready"
    # Reinstalled: another certificate at the same address.
    servers.instances.put(server.spec, state="stopped")
    eventually(lambda: not servers.reports())
    (servers.data / server.instance_id / "server.pem").unlink()
    servers.instances.put(server.spec)
    eventually(servers.reports)
    assert server.fingerprint != trusted

    worker = look(worker)

    assert worker.service_state == "refused"
    assert "shows another certificate than the trusted one" in worker.service_reasons[0]
    assert server.report()["requests_total"] == 0
    page = signed_in(ada).get(address(worker)).content.decode()
    assert "The certificate has changed" in page
    assert page.index(certificates.grouped(trusted)) < page.index(certificates.grouped(server.fingerprint))
    assert "Trusted until now" in page

    signed_in(ada).post(address(worker, "trust/"), {"fingerprint": server.fingerprint})
    assert look(worker).service_state == "ready"
    event = Event.objects.filter(kind="worker.trust").latest("id")
    assert (event.before, event.after) == (certificates.grouped(trusted), certificates.grouped(server.fingerprint))


def test_changing_the_address_forgets_what_the_former_server_showed(worker: Worker, ada: User) -> None:
    worker = look(worker)
    fields = {
        "address_kind": "private",
        "tls_policy": "pinned",
        "custom_endpoint": "",
        "tls_ca": "",
        "tls_fingerprint": "",
        "cml_username": "",
    }

    signed_in(ada).post(address(worker), fields)

    worker.refresh_from_db()
    assert worker.tls_seen == {}


def test_the_answer_to_a_look_under_former_settings_is_not_kept(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.services import cml_refresh

    honest = cml_refresh._keep

    def changed_meanwhile(found: Worker, reading: Any) -> None:
        Worker.objects.filter(pk=found.pk).update(tls_policy="off")
        honest(found, reading)

    monkeypatch.setattr(cml_refresh, "_keep", changed_meanwhile)

    worker = look(worker)

    assert (worker.service_state, worker.tls_seen) == ("unknown", {})


def test_checking_asks_for_a_look_and_its_outcome_is_announced_even_when_nothing_changed(
    worker: Worker, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = look(worker)
    told: list[Any] = []
    monkeypatch.setattr("workers.services.cml_refresh.events.announce_workers", told.append)
    Worker.objects.filter(pk=worker.pk).update(cml_due_at=timezone.now() + timedelta(minutes=4))
    browser = signed_in(ada)

    accepted = browser.post(address(worker, "check/"), headers={"HX-Request": "true"})
    again = browser.post(address(worker, "check/"), headers={"HX-Request": "true"})

    assert "CML is being asked" in accepted.content.decode()
    assert "already asked for" in again.content.decode()
    assert refresh_cml(now=timezone.now()) == 1
    assert told == [[worker.pk]]
    now = browser.get(address(worker, "now/"), headers={"HX-Request": "true"})
    assert 'id="connection-now"' in now.content.decode()
    assert "<html" not in now.content.decode()


# ── The account ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_whom_cml_takes_us_for_is_learnt_once_and_again_when_somebody_asks(worker: Worker, servers: SimulatedFleet) -> None:
    Worker.objects.filter(pk=worker.pk).update(tls_policy="off")
    logins = servers[0].requests().get("POST /auth_extended", 0)

    worker = look(worker)
    assert worker.cml_account["username"] == USERNAME
    assert worker.cml_account["is_admin"] is True
    worker = look(look(worker))
    assert servers[0].requests()["POST /auth_extended"] == logins + 1

    Worker.objects.filter(pk=worker.pk).update(refresh_asked_at=timezone.now())
    look(worker)
    assert servers[0].requests()["POST /auth_extended"] == logins + 2


def test_an_account_that_is_no_administrator_is_said_on_page_and_gate(
    worker: Worker, servers: SimulatedFleet, settings: Any, ada: User
) -> None:
    state = json.loads((servers.data / servers[0].instance_id / "state.json").read_text())
    settings.CML_USERNAME = next(user["username"] for user in state["users"] if not user["admin"])
    Worker.objects.filter(pk=worker.pk).update(tls_policy="off")

    worker = look(worker)

    accepted = next(gate for gate in gates_of(worker) if gate.name == "accepted")
    assert "is no administrator: labs of others are not seen" in accepted.why
    assert worker.service_state in {"ready", "degraded"}
    assert "No administrator" in signed_in(ada).get(f"/workers/{worker.pk}/").content.decode()
    assert "no administrator" in signed_in(ada).get(address(worker)).content.decode()
