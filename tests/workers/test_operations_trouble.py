"""Operations in trouble: errors of AWS, machines that go another way, processes that die."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from tests.operating import REGION, K, by, created, go_on, worker_of
from tests.simulated_aws import SimulatedAws, simulated_aws, simulated_aws_process
from workers.models import Event, Operation, Worker
from workers.services import images
from workers.services.operations import asking, engine, sweep

__all__ = ["simulated_aws", "simulated_aws_process"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def endpoint(settings: object, simulated_aws: SimulatedAws) -> None:
    settings.AWS_ENDPOINT_URL = simulated_aws.endpoint_url  # type: ignore[attr-defined]
    images._known.clear()


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
    saved = [step | ({"state": "done"} if step["name"] == "save_labs" else {}) for step in operation.steps]
    Operation.objects.update(attempts=engine.MAX_ATTEMPTS - 1, steps=saved)
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
