"""Operations in tests: who asks, of which worker, and going on until the end."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from tests.makers import make_worker
from tests.simulated_aws import SimulatedAws
from workers.choices import ActorKind, OperationKind
from workers.models import Operation, Worker
from workers.services.fleet_refresh import refresh_region
from workers.services.operations import asking, engine
from workers.services.record import Actor

REGION = "us-east-1"
K = OperationKind


def by(person: User, address: str = "192.0.2.9") -> asking.Asker:
    return asking.Asker(actor=Actor(kind=ActorKind.PERSON, user=person), from_address=address)


def worker_of(instance_id: str, state: str = "running", **overrides: object) -> Worker:
    service = "ready" if state == "running" else "unknown"
    # Without a licence: what a seat adds to a terminate is tested in test_license_terminate.
    fields = {"instance_id": instance_id, "machine_state": state, "service_state": service, "license_state": "unregistered"}
    worker = make_worker(**(fields | {"name": "w"} | overrides))
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
