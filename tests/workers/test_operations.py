"""Operations against the simulated AWS: each kind from asking to its end, what is refused, and what is tried again."""

from __future__ import annotations

import threading
import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from tests.makers import make_worker
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers.choices import ActorKind, OperationKind
from workers.models import Event, Operation, Worker
from workers.services import images
from workers.services.fleet_refresh import refresh_region
from workers.services.operations import asking, engine, sweep
from workers.services.operations.launch import OUR_TAG
from workers.services.record import Actor

__all__ = ["simulated_aws", "simulated_aws_process"]
pytestmark = pytest.mark.django_db
REGION = "us-east-1"
K = OperationKind


@pytest.fixture(autouse=True)
def endpoint(settings: object, simulated_aws: SimulatedAws) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url  # type: ignore[attr-defined]
    images._known.clear()


def by(person: User, address: str = "192.0.2.9") -> asking.Asker:
    return asking.Asker(actor=Actor(kind=ActorKind.PERSON, user=person), from_address=address)


def worker_of(instance_id: str, state: str = "running", **overrides: object) -> Worker:
    service = "ready" if state == "running" else "unknown"
    worker = make_worker(
        **({"instance_id": instance_id, "machine_state": state, "service_state": service, "name": "w"} | overrides)
    )
    Worker.objects.filter(pk=worker.pk).update(created_at=timezone.now() - timedelta(hours=1))
    return worker


def state_in_ec2(simulated_aws: SimulatedAws, instance_id: str) -> str:
    return str(simulated_aws.instances()[instance_id]["state"])


def go_on(operation: Operation, *, cml: str = "ready") -> Operation:
    """What Celery and the refreshes do, without waiting in between: until the operation ends."""
    for _ in range(30):
        Operation.objects.in_flight().update(due_at=timezone.now())
        engine.run(operation_id=operation.pk, now=timezone.now())
        operation.refresh_from_db()
        if not operation.is_in_flight:
            return operation
        refresh_region(region=REGION, now=timezone.now())
        Worker.objects.filter(machine_state="running").update(service_state=cml)
    raise AssertionError(f"still {operation.state}: {operation.steps}")


def created(ada: User, **parameters: object) -> Operation:
    """A worker that was just asked for, as the create form does."""
    worker = make_worker(
        name="new-one", instance_id="", machine_state="pending", service_state="unknown", instance_type="m5zn.metal"
    )
    wanted = {"image_id": "ami-12345678", "instance_type": "m5zn.metal", "tags": {"Team": "training"}} | parameters
    return asking.add(kind=K.CREATE, worker=worker, by=by(ada), now=timezone.now(), parameters=wanted)


# ── Each kind ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_stop_goes_through_its_steps_and_is_told_as_its_askers_doing(simulated_aws: SimulatedAws, miguel: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    worker = worker_of(instance_id)

    operation = go_on(asking.ask(kind=K.STOP, worker=worker, by=by(miguel), now=timezone.now()))

    worker.refresh_from_db()
    assert (operation.state, worker.machine_state, worker.service_state) == ("succeeded", "stopped", "unknown")
    assert operation.sentence.startswith("w is stopped after")
    assert [step["state"] for step in operation.steps] == ["done", "done"]
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


# ── Errors ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "words", "retried"),
    [
        ("throttled", "limits the rate", True),
        ("unreachable", "cannot be reached", True),
        ("unauthorized", "IAM policy", False),
        ("capacity", "free in that zone", False),
        ("limit", "", False),
        ("invalid_ami", "", False),
    ],
)
def test_each_error_shows_its_sentence_and_only_what_may_pass_is_tried_again(
    mode: str, words: str, retried: bool, simulated_aws: SimulatedAws, ada: User
) -> None:
    operation = created(ada)
    simulated_aws.set_fault(mode, operation="RunInstances")

    engine.run(operation_id=operation.pk, now=timezone.now())

    operation.refresh_from_db()
    step = operation.steps[0]
    assert words in step["detail"]
    assert step["detail"].endswith(".")
    if not retried:
        assert (operation.state, operation.sentence) == ("failed", step["detail"])
        worker = Worker.objects.get(name="new-one")
        assert (worker.machine_state, worker.machine_state_reason) == ("failed", step["detail"][:255])
        return
    assert (operation.state, operation.attempts) == ("running", 1)
    assert operation.due_at > timezone.now()
    simulated_aws.set_fault("none")
    assert go_on(operation).state == "succeeded"


def test_what_never_passes_is_given_up(simulated_aws: SimulatedAws, miguel: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    worker = worker_of(instance_id)
    operation = asking.ask(kind=K.STOP, worker=worker, by=by(miguel), now=timezone.now())
    Operation.objects.update(attempts=engine.MAX_ATTEMPTS - 1)
    simulated_aws.set_fault("throttled", operation="StopInstances")

    engine.run(operation_id=operation.pk, now=timezone.now())

    operation.refresh_from_db()
    assert operation.state == "failed"
    worker.refresh_from_db()
    assert worker.machine_state == "running"


def test_a_machine_that_goes_another_way_ends_the_wait_with_the_truth(simulated_aws: SimulatedAws, miguel: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    simulated_aws.client("ec2", REGION).stop_instances(InstanceIds=[instance_id])
    worker = worker_of(instance_id, "stopped")
    operation = asking.ask(kind=K.START, worker=worker, by=by(miguel), now=timezone.now())
    engine.run(operation_id=operation.pk, now=timezone.now())
    simulated_aws.client("ec2", REGION).terminate_instances(InstanceIds=[instance_id])

    operation = go_on(operation)

    assert operation.state == "failed"
    assert "terminated" in operation.sentence
    outside = Event.objects.filter(worker=worker, after="Terminated")
    assert [event.actor_kind for event in outside] == ["ec2"]


def test_cml_that_never_gets_ready_is_told_and_the_bill_with_it(simulated_aws: SimulatedAws, miguel: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    simulated_aws.client("ec2", REGION).stop_instances(InstanceIds=[instance_id])
    worker = worker_of(instance_id, "stopped")

    operation = go_on(asking.ask(kind=K.START, worker=worker, by=by(miguel), now=timezone.now()), cml="refused")

    assert operation.state == "failed"
    assert "is being paid for" in operation.sentence


# ── Leases ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_operation_in_somebodys_hands_is_left_alone_until_the_lease_ends(simulated_aws: SimulatedAws, miguel: User) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    operation = asking.ask(kind=K.STOP, worker=worker_of(instance_id), by=by(miguel), now=timezone.now())
    lease = timezone.now() + timedelta(seconds=60)
    Operation.objects.update(state="running", lease_owner=uuid.uuid4(), lease_until=lease, queued_at=None)

    engine.run(operation_id=operation.pk, now=lease - timedelta(seconds=1))
    assert sweep.sweep(now=lease - timedelta(seconds=1)) == 0
    operation.refresh_from_db()
    assert operation.steps[0]["state"] == "pending"

    assert sweep.sweep(now=lease) == 1
    engine.run(operation_id=operation.pk, now=lease)
    operation.refresh_from_db()
    assert operation.steps[0]["state"] == "done"


def test_one_who_lost_the_lease_writes_nothing_more(
    simulated_aws: SimulatedAws, miguel: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    operation = asking.ask(kind=K.STOP, worker=worker_of(instance_id), by=by(miguel), now=timezone.now())
    another = uuid.uuid4()
    handler = engine.plans.handler_of

    def taken_over(found: Operation, step: dict[str, str]) -> object:
        Operation.objects.filter(pk=found.pk).update(lease_owner=another)
        return handler(found, step)

    monkeypatch.setattr(engine.plans, "handler_of", taken_over)
    engine.run(operation_id=operation.pk, now=timezone.now())

    operation.refresh_from_db()
    assert (operation.lease_owner, operation.steps[0]["state"]) == (another, "running")


def test_the_sweep_sends_a_lost_message_again_but_not_every_second(miguel: User, now: datetime, settings: object) -> None:
    settings.OPERATION_QUEUED_FOR = 30  # type: ignore[attr-defined]
    asking.ask(kind=K.STOP, worker=worker_of("i-1"), by=by(miguel), now=now)

    swept = [sweep.sweep(now=now + timedelta(seconds=seconds)) for seconds in (1, 29, 30, 31, 60)]

    assert swept == [0, 0, 1, 0, 1]


@pytest.mark.parametrize(("mode", "words"), [("wrong_state", "state"), ("not_enabled", "region")])
def test_a_wrong_state_and_a_region_that_is_not_enabled_are_told_and_not_tried_again(
    mode: str, words: str, simulated_aws: SimulatedAws, miguel: User
) -> None:
    (instance_id,) = simulated_aws.launch(REGION)
    operation = asking.ask(kind=K.STOP, worker=worker_of(instance_id), by=by(miguel), now=timezone.now())
    simulated_aws.set_fault(mode, operation="StopInstances")

    engine.run(operation_id=operation.pk, now=timezone.now())

    operation.refresh_from_db()
    assert operation.state == "failed"
    assert words in operation.sentence
    assert operation.sentence.endswith(".")
