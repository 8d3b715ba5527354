"""Stopping and terminating a worker saves its labs first: simulated CML over HTTPS, EC2 in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from labs.models import Lab, LabVersion
from tests.conftest import signed_in
from tests.labs.saving import cml_processes, lab_on, servers, version_of, worker_on, yaml_of
from tests.licensing import run_once, step
from tests.operating import REGION, K, by
from tests.simulated_cml import SimulatedFleet, client_of
from tests.workers.fake_ec2 import FakeEc2, Machine
from workers.clients import aws
from workers.models import Event, Operation, Worker
from workers.services.fleet_refresh import refresh_region
from workers.services.licenses import requests
from workers.services.operations import asking

__all__ = ["cml_processes", "servers"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> FakeEc2:
    found = FakeEc2(REGION)
    monkeypatch.setattr(aws, "client_for", lambda **_: found)
    return found


@pytest.fixture
def worker(servers: SimulatedFleet, ec2: FakeEc2) -> Worker:
    """A worker of two labs, of which the portal has read one."""
    found = worker_on(servers[0], name="w", license_state="unregistered")
    Worker.objects.filter(pk=found.pk).update(created_at=timezone.now() - timedelta(hours=1))
    ec2.machines[found.instance_id] = Machine("running", {"Name": "w"})
    lab_on(servers[0], found, yaml_of("Known"))
    client_of(servers[0]).import_lab(yaml_of("Brand new"))
    found.refresh_from_db()
    return found


def to_end(operation: Operation, ec2: FakeEc2) -> Operation:
    for _ in range(30):
        if not run_once(operation).is_in_flight:
            return operation
        ec2.settle()
        Worker.objects.update(aws_due_at=None)
        refresh_region(region=REGION, now=timezone.now())
    raise AssertionError(f"still {operation.state}: {operation.steps}")


def stop(worker: Worker, person: User, ec2: FakeEc2) -> Operation:
    return to_end(asking.ask(kind=K.STOP, worker=worker, by=by(person), now=timezone.now()), ec2)


def terminate(worker: Worker, person: User, ec2: FakeEc2, *, labs_reason: str = "") -> Operation:
    asked = requests.ask_termination(
        worker=worker, give_up_seat=False, seat_reason="", labs_reason=labs_reason, by=by(person), now=timezone.now()
    )
    return to_end(asked, ec2)


def saved() -> set[tuple[str, str]]:
    return set(LabVersion.objects.values_list("lab__title", "why"))


def test_a_stop_saves_every_lab_that_cml_has_by_then(worker: Worker, ec2: FakeEc2, miguel: User) -> None:
    operation = stop(worker, miguel, ec2)

    assert operation.state == "succeeded"
    assert [one["name"] for one in operation.steps] == ["save_labs", "stop", "stopped"]
    assert step(operation, "save_labs")["detail"] == "2 saved"
    assert saved() == {("Known", "stop"), ("Brand new", "stop")}


def test_a_stop_goes_on_when_cml_cannot_be_asked_and_says_so(
    servers: SimulatedFleet, worker: Worker, ec2: FakeEc2, miguel: User
) -> None:
    servers[0].set_mode("reset")

    operation = stop(worker, miguel, ec2)

    assert operation.state == "succeeded"
    assert step(operation, "save_labs")["detail"].startswith("Not saved, which a stop does not need:")
    assert not LabVersion.objects.exists()


def test_a_terminate_saves_every_lab_first(worker: Worker, ec2: FakeEc2, ada: User) -> None:
    operation = terminate(worker, ada, ec2)

    assert operation.state == "succeeded", operation.sentence
    assert saved() == {("Known", "terminate"), ("Brand new", "terminate")}
    assert ec2.terminated == {worker.instance_id}
    assert all(lab.is_gone for lab in Lab.objects.all())


def test_a_terminate_ends_when_the_labs_cannot_be_saved_unless_somebody_says_why(
    servers: SimulatedFleet, worker: Worker, ec2: FakeEc2, ada: User
) -> None:
    servers[0].set_mode("502", paths=["/labs/"])

    refused = terminate(worker, ada, ec2)

    assert refused.state == "refused"
    assert refused.sentence.startswith("w was not terminated, because its labs are not saved. Not saved: ")
    assert "say that they may be lost" in refused.sentence
    assert not ec2.terminated

    operation = terminate(worker, ada, ec2, labs_reason="The course is over")

    assert operation.state == "succeeded"
    assert step(operation, "save_labs")["detail"].startswith("Not saved, and passed over as asked:")
    assert "may be lost: The course is over" in Event.objects.filter(operation=operation, kind="operation.asked").get().detail
    assert ec2.terminated == {worker.instance_id}


def test_a_worker_that_is_off_goes_when_what_is_known_of_its_labs_was_saved(worker: Worker, ec2: FakeEc2, ada: User) -> None:
    ec2.machines[worker.instance_id].state = "stopped"
    Worker.objects.filter(pk=worker.pk).update(machine_state="stopped", service_state="unknown")

    refused = terminate(worker, ada, ec2)

    assert refused.state == "refused"
    assert "w is stopped; " in refused.sentence
    assert "Not saved since they last changed: Known." in refused.sentence
    version_of(Lab.objects.get(title="Known"))
    operation = terminate(worker, ada, ec2)
    assert operation.state == "succeeded"
    assert step(operation, "save_labs")["detail"].startswith("It cannot be asked now; its lab was saved earlier")


def test_the_form_asks_for_a_reason_to_lose_labs_only_where_there_may_be_some(worker: Worker, ec2: FakeEc2, ada: User) -> None:
    address, browser = f"/workers/{worker.pk}/terminate/", signed_in(ada)
    assert "its labs cannot be saved" in browser.get(address).content.decode()
    form: dict[str, Any] = {"name": "w", "give_up_labs": "on"}
    assert "Say why: it goes into the audit." in browser.post(address, form).content.decode()
    assert browser.post(address, form | {"labs_reason": "closed"}).status_code == 302
    assert Operation.objects.get(kind="terminate").parameters == {"give_up_labs": True, "labs_reason": "closed"}

    Worker.objects.update(labs_succeeded_at=None)
    assert "give_up_labs" not in browser.get(address).content.decode()
