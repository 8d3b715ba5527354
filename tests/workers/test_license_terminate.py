"""A terminate gives the licence back first: simulated CML over HTTPS, EC2 in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.licensing import cml_process, read, registered, run_once, server, statuses, step
from tests.operating import REGION, K, by
from tests.simulated_cml import SimulatedCml, client_of
from tests.workers.fake_ec2 import FakeEc2, Machine
from workers.clients import aws
from workers.models import DoubtfulSeat, Event, Operation, Worker
from workers.services.fleet_refresh import refresh_region
from workers.services.licenses import requests
from workers.services.operations import asking

__all__ = ["cml_process", "server"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> FakeEc2:
    found = FakeEc2(REGION)
    monkeypatch.setattr(aws, "client_for", lambda **_: found)
    return found


def on_ec2(ec2: FakeEc2, worker: Worker, state: str = "running") -> Worker:
    ec2.machines[worker.instance_id] = Machine(state, {"Name": "w"})
    Worker.objects.filter(pk=worker.pk).update(machine_state=state)
    worker.refresh_from_db()
    return worker


def ask(worker: Worker, person: User, *, give_up: str = "") -> Operation:
    return requests.ask_termination(
        worker=worker, give_up_seat=bool(give_up), seat_reason=give_up, by=by(person), now=timezone.now()
    )


def to_end(operation: Operation, ec2: FakeEc2) -> Operation:
    for _ in range(30):
        if not run_once(operation).is_in_flight:
            return operation
        ec2.settle()
        Worker.objects.update(aws_due_at=None)
        refresh_region(region=REGION, now=timezone.now())
    raise AssertionError(f"still {operation.state}: {operation.steps}")


def test_labs_are_stopped_and_the_licence_is_given_back_before_the_instance_goes(
    server: SimulatedCml, ec2: FakeEc2, ada: User
) -> None:
    server.change(add_labs=[{"title": "Busy", "owner": "mei", "nodes": 2, "running": True}])
    worker = on_ec2(ec2, registered(server))

    operation = to_end(ask(worker, ada), ec2)

    worker.refresh_from_db()
    assert operation.state == "succeeded", operation.sentence
    assert [one["name"] for one in operation.steps] == ["protection", "save_labs", "labs", "release", "terminate", "terminated"]
    assert (step(operation, "labs")["detail"], step(operation, "release")["detail"]) == (
        "1 stopped",
        "CML gave it back: the seat is free.",
    )
    assert (worker.machine_state, worker.license_state) == ("terminated", "unregistered")
    assert statuses(server)[0] == "NOT_REGISTERED"
    assert ec2.terminated == {worker.instance_id}
    assert not DoubtfulSeat.objects.exists()


def test_202_goes_on_and_leaves_a_doubtful_seat(server: SimulatedCml, ec2: FakeEc2, ada: User) -> None:
    worker = on_ec2(ec2, registered(server))
    server.change(licensing={"deregistration": "202"})

    operation = to_end(ask(worker, ada), ec2)

    assert operation.state == "succeeded"
    assert "may still be taken" in operation.sentence
    assert ec2.terminated == {worker.instance_id}
    assert DoubtfulSeat.objects.get().reason == "unconfirmed"


def busy(server: SimulatedCml) -> None:
    server.change(licensing={"deregistration": "409"})


def away(server: SimulatedCml) -> None:
    server.set_mode("reset")


def forbidden(server: SimulatedCml) -> None:
    server.change(licensing={"deregistration": "403"})


TROUBLES = [
    (busy, "cannot do this now", "busy"),
    (away, "cut the connection", "unreachable"),
    (forbidden, "does not let", "refused"),
]


@pytest.mark.parametrize(("trouble", "words", "reason"), TROUBLES)
def test_what_cannot_be_given_back_keeps_the_worker(
    trouble: Callable[[SimulatedCml], None], words: str, reason: str, server: SimulatedCml, ec2: FakeEc2, ada: User
) -> None:
    worker = on_ec2(ec2, registered(server))
    trouble(server)

    operation = to_end(ask(worker, ada), ec2)

    worker.refresh_from_db()
    assert operation.state == "failed"
    assert operation.sentence.startswith("w was not terminated, because its licence could not be released.")
    assert words in operation.sentence
    assert (worker.machine_state, worker.license_state) == ("running", "registered")
    assert not ec2.terminated
    assert not DoubtfulSeat.objects.exists()


@pytest.mark.parametrize(("trouble", "words", "reason"), TROUBLES)
def test_an_admin_may_go_on_without_and_the_seat_is_in_doubt(
    trouble: Callable[[SimulatedCml], None], words: str, reason: str, server: SimulatedCml, ec2: FakeEc2, ada: User
) -> None:
    worker = on_ec2(ec2, registered(server))
    trouble(server)

    operation = to_end(ask(worker, ada, give_up="the account is closed anyway"), ec2)

    assert operation.state == "succeeded", operation.sentence
    assert ec2.terminated == {worker.instance_id}
    seat = DoubtfulSeat.objects.get()
    assert (seat.reason, seat.operation) == (reason, operation)
    assert words in seat.detail
    audit = Event.objects.filter(worker=worker, kind="worker.seat", actor_name="ada").order_by("id")
    assert audit[0].detail == "the account is closed anyway"


def test_a_stopped_worker_cannot_be_asked(server: SimulatedCml, ec2: FakeEc2, ada: User) -> None:
    worker = on_ec2(ec2, registered(server), "stopped")

    refused = to_end(ask(worker, ada), ec2)

    assert refused.state == "refused"
    assert "Start it first" in refused.sentence
    assert not ec2.terminated

    operation = to_end(ask(worker, ada, give_up="it will never run again"), ec2)

    assert operation.state == "succeeded"
    seat = DoubtfulSeat.objects.get()
    assert (seat.reason, seat.detail) == ("stopped", "it will never run again")


def test_a_terminate_waits_for_the_licences_own_operation(server: SimulatedCml, ec2: FakeEc2, ada: User) -> None:
    worker = on_ec2(ec2, registered(server))
    own = asking.ask(kind=K.DEREGISTER, worker=worker, by=by(ada), now=timezone.now(), parameters={"stop_labs": False})
    terminate = run_once(ask(worker, ada))
    assert terminate.is_in_flight
    assert step(terminate, "labs")["detail"] == "Deregistering is on its way."

    assert run_once(own).state == "succeeded"

    assert to_end(terminate, ec2).state == "succeeded"
    assert not DoubtfulSeat.objects.exists()


@pytest.mark.parametrize("state", ["unregistered", "unknown", "evaluation"])
def test_without_a_licence_nothing_changes(state: str, server: SimulatedCml, ec2: FakeEc2, ada: User) -> None:
    worker = on_ec2(ec2, registered(server))
    server.set_mode("reset")
    Worker.objects.filter(pk=worker.pk).update(license_state=state, licensing={})

    assert to_end(ask(worker, ada), ec2).state == "succeeded"
    assert not DoubtfulSeat.objects.exists()


# ── Outside the portal ─────────────────────────────────────────────────────────────────────────────────────────────
def refresh(worker: Worker) -> Worker:
    Worker.objects.update(aws_due_at=None)
    refresh_region(region=REGION, now=timezone.now())
    worker.refresh_from_db()
    return worker


def test_an_end_outside_the_portal_leaves_a_doubtful_seat_once(server: SimulatedCml, ec2: FakeEc2) -> None:
    worker = on_ec2(ec2, registered(server))
    ec2.outside(worker.instance_id, "terminate")

    assert refresh(worker).machine_state == "shutting-down"
    ec2.settle()
    assert refresh(worker).machine_state == "terminated"

    seat = DoubtfulSeat.objects.get()
    assert (seat.reason, seat.instance_id, seat.smart_account) == ("outside", worker.instance_id, "Example Networks Academy")


def test_one_that_is_lost_is_in_doubt_until_it_is_back(server: SimulatedCml, ec2: FakeEc2) -> None:
    worker = on_ec2(ec2, registered(server))
    machine = ec2.machines.pop(worker.instance_id)
    assert refresh(worker).machine_state == "lost"
    assert DoubtfulSeat.objects.open().get().reason == "lost"

    ec2.machines[worker.instance_id] = machine
    assert refresh(worker).machine_state == "running"
    read(worker)

    seat = DoubtfulSeat.objects.get()
    assert not seat.is_open
    assert seat.note == "Its CML is registered: the seat is in use."
    assert Event.objects.get(worker=worker, kind="worker.seat", after="Cleared up").actor_kind == "cml"


@pytest.mark.parametrize(
    ("status", "note"),
    [("COMPLETED", "Its CML is registered: the seat is in use."), ("EXPIRED", "CML gave the seat back (204).")],
)
def test_what_the_same_worker_proves_later_clears_its_doubt_up(
    status: str, note: str, server: SimulatedCml, ec2: FakeEc2, ada: User
) -> None:
    worker = on_ec2(ec2, registered(server))
    server.change(licensing={"deregistration": "202"})
    first = asking.ask(kind=K.DEREGISTER, worker=worker, by=by(ada), now=timezone.now())
    assert run_once(first).state == "succeeded"
    client_of(server).register_license(token="again")
    server.change(licensing={"deregistration": "", "registration_status": status})

    second = asking.ask(kind=K.DEREGISTER, worker=worker, by=by(ada), now=timezone.now())

    assert run_once(second).state == "succeeded"
    seat = DoubtfulSeat.objects.get()
    assert (seat.is_open, seat.note, seat.resolved_by_name) == (False, note, "")


# ── The form ───────────────────────────────────────────────────────────────────────────────────────────────────────
def post(person: User, worker: Worker, **fields: str) -> Any:
    return signed_in(person).post(f"/workers/{worker.pk}/terminate/", {"name": "w", **fields})


def test_the_form_says_what_becomes_of_the_licence(server: SimulatedCml, ada: User) -> None:
    worker = registered(server)
    page = signed_in(ada).get(f"/workers/{worker.pk}/terminate/").content.decode()
    assert "the licence is given back first" in page
    assert "Example Networks Academy / CML Training" in page

    Worker.objects.filter(pk=worker.pk).update(machine_state="stopped")
    page = signed_in(ada).get(f"/workers/{worker.pk}/terminate/").content.decode()
    assert "the seat will stay taken. Start it first" in page

    Worker.objects.filter(pk=worker.pk).update(license_state="unregistered", licensing={})
    assert "give_up_seat" not in signed_in(ada).get(f"/workers/{worker.pk}/terminate/").content.decode()


def test_giving_a_seat_up_needs_the_choice_and_a_reason(server: SimulatedCml, ada: User) -> None:
    worker = registered(server)
    Worker.objects.filter(pk=worker.pk).update(machine_state="stopped")

    answer = post(ada, worker)
    assert answer.status_code == 422
    assert "start it first, or tick this" in answer.content.decode()
    answer = post(ada, worker, give_up_seat="on", seat_reason=" ")
    assert answer.status_code == 422
    assert "Say why" in answer.content.decode()
    assert not Operation.objects.exists()

    assert post(ada, worker, give_up_seat="on", seat_reason="closed").status_code == 302
    assert Operation.objects.get().parameters == {"give_up_seat": True, "seat_reason": "closed"}
    assert Event.objects.get(kind="worker.seat").detail == "closed"
