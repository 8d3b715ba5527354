"""Licences registered, renewed, changed and given back against the simulated CML over HTTPS: each ends in the true state, with its words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tests.licensing import (
    TOKEN,
    begun_earlier,
    cml_process,
    read,
    registered,
    run_once,
    server,
    statuses,
    step,
    to_end,
    worker_on,
)
from tests.operating import K, by
from tests.simulated_cml import SimulatedCml, client_of
from workers.choices import OperationKind
from workers.models import DoubtfulSeat, Event, LicenseToken, Operation, Worker
from workers.services.licenses import requests
from workers.services.operations import asking

__all__ = ["cml_process", "server"]
pytestmark = pytest.mark.django_db


def ask_registration(worker: Worker, person: User, token: str = TOKEN, **more: Any) -> Operation:
    wanted = {"reregister": False, "nodes": None} | more
    return requests.ask_registration(worker=worker, token=token, by=by(person), now=timezone.now(), **wanted)


def ask(kind: OperationKind, worker: Worker, person: User, **parameters: Any) -> Operation:
    return asking.ask(kind=kind, worker=worker, by=by(person), now=timezone.now(), parameters=parameters)


# ── Register ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_registration_ends_when_cisco_knows_and_allows_it(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    assert worker.license_state == "unregistered"

    operation = to_end(ask_registration(worker, ada, nodes=120))

    worker.refresh_from_db()
    assert operation.state == "succeeded", operation.sentence
    assert operation.sentence.startswith("w is registered and in compliance after")
    assert statuses(server) == ("COMPLETED", "IN_COMPLIANCE")
    assert (worker.license_state, worker.smart_account, worker.virtual_account) == (
        "registered",
        "Example Networks Academy",
        "CML Training",
    )
    assert (worker.seats_in_use, worker.seats_max, worker.license_nodes_in_use, worker.license_nodes_max) == (1, 1, 120, 500)
    assert worker.license_expires_at is not None
    assert worker.authorization_expires_at is not None
    assert worker.licensing["udi"]["product_uuid"]
    told = Event.objects.filter(worker=worker, kind="worker.license").values_list("before", "after", "actor_name")
    assert ("Unregistered", "Registered", "ada") in told


def test_204_is_no_success_while_cml_is_still_at_it(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    server.change(licensing={"registration": "stuck"})
    operation = run_once(ask_registration(worker, ada))

    assert operation.is_in_flight
    assert step(operation, "registered")["detail"] == "CML says: registration IN_PROGRESS, authorization INIT"
    assert not LicenseToken.objects.exists()  # CML has it
    begun_earlier(operation, timedelta(minutes=4))
    operation = to_end(operation)

    worker.refresh_from_db()
    assert operation.state == "failed"
    assert "w is not registered after 3 minutes" in operation.sentence
    assert "registration IN_PROGRESS" in operation.sentence
    assert worker.license_state == "in_progress"


def test_a_token_that_cisco_refuses_ends_with_its_words_and_without_the_token(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    token = "expired" + TOKEN

    operation = to_end(ask_registration(worker, ada, token=token))

    worker.refresh_from_db()
    assert operation.state == "failed"
    assert "Cisco did not register w" in operation.sentence
    assert "has expired" in operation.sentence
    assert worker.license_state == "failed"
    stored = repr([operation.__dict__, worker.__dict__, *Event.objects.values()])
    assert token not in stored
    assert TOKEN[:20] not in stored


def test_registered_but_out_of_compliance_is_told_as_such(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    server.change(licensing={"registration": "out_of_compliance"})

    operation = to_end(ask_registration(worker, ada))

    worker.refresh_from_db()
    assert (operation.state, worker.license_state) == ("failed", "out_of_compliance")
    assert "is registered, but out of compliance" in operation.sentence


@pytest.mark.parametrize(("manner", "words"), [("409", "busy with its licence"), ("403", "does not let admin do this")])
def test_what_cml_refuses_leaves_everything_as_it_was(manner: str, words: str, server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    server.change(licensing={"registration": manner})

    operation = to_end(ask_registration(worker, ada))

    assert operation.state == "refused"
    assert words in operation.sentence
    assert operation.attempts == (7 if manner == "409" else 0)
    assert not LicenseToken.objects.exists()
    assert statuses(server)[0] == "NOT_REGISTERED"


def test_busy_passes(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    server.change(licensing={"registration": "409"})
    operation = run_once(ask_registration(worker, ada))
    assert operation.is_in_flight
    assert operation.due_at > timezone.now()

    server.change(licensing={"registration": ""})

    assert to_end(operation).state == "succeeded"


def test_one_that_is_registered_is_registered_again_only_when_that_is_said(server: SimulatedCml, ada: User) -> None:
    worker = registered(server)
    with pytest.raises(asking.UnableToAsk, match="registered already") as refused:
        ask_registration(worker, ada)
    assert refused.value.already
    assert not Operation.objects.exists()
    assert not LicenseToken.objects.exists()

    operation = run_once(ask_registration(worker, ada, reregister=True))
    if operation.is_in_flight:  # CML's times have whole seconds: this one may look like the former
        begun_earlier(operation, timedelta(seconds=40))
        to_end(operation)

    assert operation.state == "succeeded", operation.sentence


# ── Killed in between ──────────────────────────────────────────────────────────────────────────────────────────────
class Killed(BaseException):
    """The process ends here, whatever it was about to write."""


def killed_at(name: str, operation: Operation, monkeypatch: pytest.MonkeyPatch) -> Operation:
    """Run until CML has answered the step `name`, and die before anything of it is written."""
    from workers.clients.cml import CmlClient

    call = getattr(CmlClient, name)

    def answered(*args: Any, **kwargs: Any) -> Any:
        call(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(CmlClient, name, answered)
        with pytest.raises(Killed):
            run_once(operation)
    # The lease of the dead runs out.
    Operation.objects.filter(pk=operation.pk).update(lease_until=timezone.now())
    operation.refresh_from_db()
    assert operation.is_in_flight
    return operation


def test_a_process_killed_after_cml_took_the_token_does_not_send_it_twice(
    server: SimulatedCml, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_on(server)
    before = server.requests().get("POST /licensing/registration", 0)
    operation = killed_at("register_license", ask_registration(worker, ada), monkeypatch)

    assert to_end(operation).state == "succeeded"
    assert server.requests()["POST /licensing/registration"] == before + 1
    assert step(operation, "register")["detail"] == "CML had taken the token already."
    assert not LicenseToken.objects.exists()


def test_a_process_killed_after_the_seat_was_given_back_leaves_a_doubt_and_not_a_claim(
    server: SimulatedCml, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = registered(server)
    operation = killed_at("deregister_license", ask(K.DEREGISTER, worker, ada), monkeypatch)

    operation = to_end(operation)

    worker.refresh_from_db()
    assert operation.state == "succeeded"
    assert "CML’s answer was lost" in operation.sentence
    assert worker.license_state == "unregistered"
    assert DoubtfulSeat.objects.open().get().reason == "answer_lost"


# ── Renew, change ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("what", ["registration", "authorization"])
def test_a_renewal_ends_when_cml_shows_it(what: str, server: SimulatedCml, ada: User) -> None:
    registered(server)
    server.change(licensing={f"{what}_expires": 5})
    worker = read(Worker.objects.get())
    field = "license_expires_at" if what == "registration" else "authorization_expires_at"
    before = getattr(worker, field)

    operation = to_end(ask(K.RENEW, worker, ada, what=what))

    worker.refresh_from_db()
    assert operation.state == "succeeded", operation.sentence
    assert f"The {what} of w is renewed" in operation.sentence
    assert getattr(worker, field) > before + timedelta(days=30)


def test_a_renewal_that_fails_says_why(server: SimulatedCml, ada: User) -> None:
    worker = registered(server)
    server.change(licensing={"renewal": "fail"})

    operation = to_end(ask(K.RENEW, worker, ada, what="authorization"))

    assert operation.state == "failed"
    assert "The authorization of w was not renewed" in operation.sentence
    assert "timed out" in operation.sentence


def test_the_number_of_nodes_is_changed_and_a_product_only_without_registration(server: SimulatedCml, ada: User) -> None:
    worker = registered(server)

    operation = to_end(ask(K.LICENSE, worker, ada, nodes=300))

    worker.refresh_from_db()
    assert (operation.state, worker.license_nodes_in_use) == ("succeeded", 300)
    refused = to_end(ask(K.LICENSE, worker, ada, product="CML_Personal"))
    assert refused.state == "refused"
    assert "Cannot change product license" in refused.sentence


# ── Deregister ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_204_frees_the_seat(server: SimulatedCml, ada: User) -> None:
    worker = registered(server)

    operation = to_end(ask(K.DEREGISTER, worker, ada))

    worker.refresh_from_db()
    assert operation.state == "succeeded"
    assert operation.sentence.startswith("w gave its licence back after")
    assert operation.sentence.endswith("the seat is free.")
    assert (worker.license_state, worker.smart_account, worker.license_expires_at) == ("unregistered", "", None)
    assert statuses(server)[0] == "NOT_REGISTERED"
    assert not DoubtfulSeat.objects.exists()


def test_202_succeeds_with_a_doubtful_seat(server: SimulatedCml, ada: User) -> None:
    worker = registered(server)
    server.change(licensing={"deregistration": "202"})

    operation = to_end(ask(K.DEREGISTER, worker, ada))

    worker.refresh_from_db()
    assert (operation.state, worker.license_state) == ("succeeded", "unregistered")
    assert "Cisco’s server was not reached: the seat may still be taken" in operation.sentence
    seat = DoubtfulSeat.objects.get()
    assert (seat.reason, seat.worker, seat.smart_account) == ("unconfirmed", worker, "Example Networks Academy")
    assert seat.product_uuid == client_of(server).licensing().udi_product_uuid
    assert seat.features[0]["in_use"] == 1
    told = Event.objects.get(worker=worker, kind="worker.seat")
    assert (told.after, told.actor_name, told.operation) == ("In doubt: Cisco was not reached", "ada", operation)


def test_400_already_deregistered_succeeds_and_says_so(server: SimulatedCml, ada: User) -> None:
    worker = registered(server)
    server.change(licensing={"deregistration": "400"})

    operation = to_end(ask(K.DEREGISTER, worker, ada))

    assert operation.state == "succeeded"
    assert operation.sentence == "w was already deregistered; nothing was done."
    assert not DoubtfulSeat.objects.exists()


def test_400_nodes_running_is_refused_and_says_what_to_do(server: SimulatedCml, ada: User) -> None:
    server.change(add_labs=[{"title": "Busy", "owner": "mei", "nodes": 2, "running": True}])
    worker = registered(server)

    operation = to_end(ask(K.DEREGISTER, worker, ada))

    assert operation.state == "refused"
    assert "while 2 nodes run on w" in operation.sentence
    assert "say that running labs are to be stopped" in operation.sentence
    assert statuses(server)[0] == "COMPLETED"
    assert not DoubtfulSeat.objects.exists()


def test_running_labs_are_stopped_first_when_that_is_said(server: SimulatedCml, ada: User) -> None:
    worker = registered(server)
    server.change(add_labs=[{"title": "Busy", "owner": "mei", "nodes": 2, "running": True}])

    operation = to_end(ask(K.DEREGISTER, worker, ada, stop_labs=True))

    assert operation.state == "succeeded", operation.sentence
    assert step(operation, "labs")["detail"] == "1 stopped"
    assert statuses(server)[0] == "NOT_REGISTERED"
    assert not [lab for lab in client_of(server).lab_tiles() if lab.state == "STARTED"]


@pytest.mark.parametrize(("manner", "words"), [("409", "busy with its licence"), ("403", "does not let admin do this")])
def test_409_and_403_end_with_a_sentence_and_the_seat_is_in_no_doubt(
    manner: str, words: str, server: SimulatedCml, ada: User
) -> None:
    worker = registered(server)
    server.change(licensing={"deregistration": manner})

    operation = to_end(ask(K.DEREGISTER, worker, ada))

    worker.refresh_from_db()
    assert (operation.state, worker.license_state) == ("refused", "registered")
    assert words in operation.sentence
    assert not DoubtfulSeat.objects.exists()


# ── Who may when ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"machine_state": "stopped"}, "w is stopped; a licence is changed by CML itself, which must be ready."),
        ({"machine_state": "lost"}, "w is lost"),
        (
            {"service_state": "starting", "service_reasons": ["CML answers, but no compute can start nodes yet."]},
            "its CML is starting; a licence is changed by CML itself, which must be ready. CML answers, but no compute",
        ),
        ({"service_state": "unreachable"}, "its CML is unreachable"),
        ({"service_state": "unknown"}, "its CML has not been asked yet"),
    ],
)
def test_which_gate_is_shut_is_said(fields: dict[str, Any], words: str, server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    Worker.objects.filter(pk=worker.pk).update(**fields)

    with pytest.raises(asking.UnableToAsk) as refused:
        ask_registration(worker, ada)

    assert words in refused.value.sentence
    assert not LicenseToken.objects.exists()


def test_one_licence_operation_at_a_time_and_none_while_the_machine_comes_or_goes(server: SimulatedCml, ada: User) -> None:
    registered(server)
    server.change(licensing={"authorization_expires": 5})
    worker = read(Worker.objects.get())
    first = ask(K.RENEW, worker, ada, what="authorization")
    with pytest.raises(asking.UnableToAsk, match="Renewing w is on its way already, asked by ada"):
        ask(K.DEREGISTER, worker, ada)
    assert to_end(first).state == "succeeded"

    ask(K.STOP, worker, ada)

    with pytest.raises(asking.UnableToAsk, match="Stopping w is on its way already"):
        ask(K.DEREGISTER, worker, ada)
