"""Operations against the simulated AWS: each kind from asking to its end, what is refused, and what is tried again."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from tests.operating import REGION, K, by, created, go_on, state_in_ec2, worker_of
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers.choices import OperationKind
from workers.models import Event, Operation, Worker
from workers.services import images
from workers.services.fleet_refresh import refresh_region
from workers.services.operations import asking, engine
from workers.services.operations.launch import OUR_TAG

__all__ = ["simulated_aws", "simulated_aws_process"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def endpoint(settings: object, simulated_aws: SimulatedAws) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url  # type: ignore[attr-defined]
    images._known.clear()


# ── Each kind ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_stop_goes_through_its_steps_and_is_told_as_its_askers_doing(simulated_aws: SimulatedAws, miguel: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    worker = worker_of(instance_id)

    operation = go_on(asking.ask(kind=K.STOP, worker=worker, by=by(miguel), now=timezone.now()))

    worker.refresh_from_db()
    assert (operation.state, worker.machine_state, worker.service_state) == ("succeeded", "stopped", "unknown")
    assert operation.sentence.startswith("w is stopped after")
    assert [step["state"] for step in operation.steps] == ["done", "done", "done"]
    assert state_in_ec2(simulated_aws, instance_id) == "stopped"
    story = (
        Event.objects.filter(worker=worker)
        .exclude(kind="worker.address")  # the maker's addresses are not the simulator's
        .order_by("id")
        .values_list("kind", "before", "after", "actor_kind", "actor_name")
    )
    assert list(story) == [
        ("operation.asked", "", "Stop", "person", "miguel"),
        ("worker.state", "Running", "Stopping", "person", "miguel"),
        ("worker.state", "Stopping", "Stopped", "person", "miguel"),
        ("operation.ended", "Stop", "Succeeded", "person", "miguel"),
    ]
    assert Event.objects.get(worker=worker, kind="operation.asked").from_address == "192.0.2.9"


def test_start_reads_the_new_address_and_waits_for_the_three_gates(simulated_aws: SimulatedAws, miguel: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    simulated_aws.client("ec2", REGION).stop_instances(InstanceIds=[instance_id])
    worker = worker_of(instance_id, "stopped", public_address="198.51.100.1")

    operation = go_on(asking.ask(kind=K.START, worker=worker, by=by(miguel), now=timezone.now()))

    worker.refresh_from_db()
    assert (operation.state, worker.machine_state) == ("succeeded", "running")
    assert worker.public_address == simulated_aws.instances()[instance_id]["public_address"] != "198.51.100.1"
    assert [step["name"] for step in operation.steps] == ["start", "running", "checks", "cml"]
    assert all(step["started_at"] <= step["finished_at"] for step in operation.steps)


def test_terminate_of_an_instance_and_of_one_that_is_gone(simulated_aws: SimulatedAws, ada: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    here, lost = worker_of(instance_id), worker_of("i-00000000000000000", "lost")
    failed = worker_of("", "failed")

    ended = [go_on(asking.ask(kind=K.TERMINATE, worker=w, by=by(ada), now=timezone.now())) for w in (here, lost, failed)]

    assert [operation.state for operation in ended] == ["succeeded"] * 3
    assert set(Worker.objects.values_list("machine_state", flat=True)) == {"terminated"}
    assert state_in_ec2(simulated_aws, instance_id) == "terminated"


def test_termination_protection_is_respected(simulated_aws: SimulatedAws, ada: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    simulated_aws.protect(REGION, instance_id)
    worker = worker_of(instance_id)

    operation = go_on(asking.ask(kind=K.TERMINATE, worker=worker, by=by(ada), now=timezone.now()))

    assert operation.state == "refused"
    assert "protected from termination" in operation.sentence
    assert state_in_ec2(simulated_aws, instance_id) == "running"


def test_create_makes_one_instance_that_carries_the_workers_id(simulated_aws: SimulatedAws, ada: User) -> None:
    operation = go_on(created(ada))

    worker = Worker.objects.get(name="new-one")
    assert (operation.state, worker.machine_state) == ("succeeded", "running")
    found = simulated_aws.client("ec2", REGION).describe_instances(
        Filters=[{"Name": f"tag:{OUR_TAG}", "Values": [str(worker.pk)]}]
    )
    (instance,) = [instance for reservation in found["Reservations"] for instance in reservation["Instances"]]
    assert instance["InstanceId"] == worker.instance_id
    assert {"Key": "Team", "Value": "training"} in instance["Tags"]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"


def test_create_finds_the_instance_of_a_try_that_never_came_to_write(simulated_aws: SimulatedAws, ada: User) -> None:
    operation = created(ada)
    (orphan,) = simulated_aws.launch(REGION, tags={OUR_TAG: str(operation.worker_id), "Name": "new-one"})
    before = simulated_aws.calls().get("RunInstances", 0)

    go_on(operation)

    assert Worker.objects.get(name="new-one").instance_id == orphan
    assert simulated_aws.calls().get("RunInstances", 0) == before


def test_tags_are_merged(simulated_aws: SimulatedAws, miguel: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION, tags={"Keep": "1", "Change": "1", "Drop": "1", "Name": "old"})
    worker = worker_of(instance_id, tags={"Keep": "1", "Change": "1", "Drop": "1", "Name": "old"})
    # Somebody else adds one that the form did not show.
    simulated_aws.client("ec2", REGION).create_tags(Resources=[instance_id], Tags=[{"Key": "Meanwhile", "Value": "1"}])
    parameters = {"set": {"Change": "2", "Name": "new"}, "remove": ["Drop"]}

    operation = go_on(asking.ask(kind=K.TAG, worker=worker, by=by(miguel), now=timezone.now(), parameters=parameters))

    worker.refresh_from_db()
    assert operation.state == "succeeded"
    assert worker.tags == {"Keep": "1", "Change": "2", "Name": "new", "Meanwhile": "1"}
    assert worker.name == "new"


def test_detailed_monitoring_is_switched_on_and_off(simulated_aws: SimulatedAws, ada: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    worker = worker_of(instance_id)
    for on in (True, False):
        operation = go_on(asking.ask(kind=K.MONITOR, worker=worker, by=by(ada), now=timezone.now(), parameters={"on": on}))
        worker.refresh_from_db()
        assert (operation.state, worker.detailed_monitoring) == ("succeeded", on)


# ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "state", "already", "words"),
    [
        (K.START, "running", True, "already running"),
        (K.START, "pending", True, "already pending"),
        (K.START, "stopping", False, "still stopping; try again when it has stopped"),
        (K.START, "terminated", False, "is terminated"),
        (K.START, "failed", False, "could not be created"),
        (K.START, "lost", False, "EC2 does not know"),
        (K.STOP, "stopped", True, "already stopped"),
        (K.STOP, "pending", False, "still starting"),
        (K.STOP, "shutting-down", False, "being terminated"),
        (K.TERMINATE, "terminated", True, "already terminated"),
        (K.TAG, "terminated", False, "is terminated"),
    ],
)
def test_what_is_not_legal_is_refused_with_a_sentence_and_leaves_nothing(
    kind: OperationKind, state: str, already: bool, words: str, ada: User
) -> None:
    worker = worker_of("i-1", state)

    with pytest.raises(asking.UnableToAsk) as refused:
        asking.ask(kind=kind, worker=worker, by=by(ada), now=timezone.now())

    assert refused.value.already is already
    assert words in refused.value.sentence
    assert not Operation.objects.exists()
    assert not Event.objects.exists()


def test_the_second_to_press_stop_is_told_whose_it_is(miguel: User, ada: User, now: datetime) -> None:
    worker = worker_of("i-1")
    first = asking.ask(kind=K.STOP, worker=worker, by=by(miguel), now=now)

    with pytest.raises(asking.UnableToAsk, match="asked by miguel 8 s ago") as refused:
        asking.ask(kind=K.STOP, worker=worker, by=by(ada), now=now + timedelta(seconds=8))

    assert refused.value.operation == first


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_moment_give_one_operation(miguel: User, ada: User) -> None:
    worker = worker_of("i-1")
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def press(person: User) -> None:
        try:
            barrier.wait()
            asking.ask(kind=K.STOP, worker=worker, by=by(person), now=timezone.now())
            outcomes.append("asked")
        except asking.UnableToAsk as refused:
            outcomes.append(refused.sentence)
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(person,)) for person in (miguel, ada)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Operation.objects.count() == 1
    winner = Operation.objects.get().actor_name
    assert sorted(outcomes)[1] == "asked"
    assert f"asked by {winner}" in sorted(outcomes)[0]


def test_stop_overtakes_the_wait_for_a_start(simulated_aws: SimulatedAws, miguel: User, ada: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    simulated_aws.client("ec2", REGION).stop_instances(InstanceIds=[instance_id])
    worker = worker_of(instance_id, "stopped")
    start = asking.ask(kind=K.START, worker=worker, by=by(miguel), now=timezone.now())
    for _ in range(2):
        engine.run(operation_id=start.pk, now=timezone.now() + timedelta(seconds=10))
        refresh_region(region=REGION, now=timezone.now())

    stop = go_on(asking.ask(kind=K.STOP, worker=worker, by=by(ada), now=timezone.now()))

    start.refresh_from_db()
    assert (start.state, stop.state) == ("refused", "succeeded")
    assert "ada asked to stop" in start.sentence
