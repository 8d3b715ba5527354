"""A Celery worker is killed between EC2's answer and our commit; Redis is killed while operations wait. Real processes, SIGKILL."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.sandbox_process import Sandbox, running_sandbox
from tests.simulated_cml import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ASK = """
from django.db import transaction
from django.utils import timezone
from accounts.models import User
from workers.choices import ActorKind, OperationKind
from workers.models import Worker
from workers.services.operations import asking
from workers.services.record import Actor
by = asking.Asker(actor=Actor(kind=ActorKind.PERSON, user=User.objects.get(username="admin")))
def ask(kind, worker, **more):
    return str(asking.ask(kind=OperationKind(kind), worker=worker, by=by, now=timezone.now(), **more).pk)
"""
CREATE = (
    ASK
    + """
image = {image!r}
with transaction.atomic():
    worker = Worker.objects.create(name="born-twice", region="us-east-1", instance_type="m8i.8xlarge")
    parameters = {{"image_id": image, "instance_type": "m8i.8xlarge", "nested_virtualization": True}}
    operation = asking.add(kind=OperationKind.CREATE, worker=worker, by=by, now=timezone.now(), parameters=parameters)
answer = str(operation.pk)
"""
)
TOLD = """
from workers.models import Event, Operation, Worker
operation = Operation.objects.get(pk={operation!r})
answer = {{
    "state": operation.state,
    "sentence": operation.sentence,
    "operations": Operation.objects.filter(worker=operation.worker).exclude(kind="look").count(),
    "rows": Worker.objects.filter(name=operation.worker.name).count(),
    "machine": operation.worker.machine_state,
    "ended": Event.objects.filter(operation=operation, kind="operation.ended").count(),
}}
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    # A short lease, so that what the dead held is taken over within the test; no step takes so long here.
    var = tmp_path_factory.mktemp("chaos") / "var"
    with running_sandbox(var, speed=10, OPERATION_LEASE="12", OPERATION_QUEUED_FOR="3", CML_INTERVAL="5") as found:
        yield found


@contextmanager
def nobody_writes(sandbox: Sandbox) -> Iterator[None]:
    """Hold SQLite's write lock: whoever wants to commit waits."""
    connection = sqlite3.connect(sandbox.var / "db.sqlite3", timeout=30, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def kill_worker_after_answer(sandbox: Sandbox, action: str, ask: str) -> str:
    """Ask for something, let EC2 do it, and SIGKILL the Celery worker when it has the answer and waits to commit it."""
    delay = 2.0
    sandbox.control_aws("faults", {"mode": "slow_after", "operation": action, "seconds": delay, "count": 1})
    before = sandbox.control_aws("calls").get(action, 0)
    operation = str(sandbox.run_script(ask))
    eventually(lambda: sandbox.control_aws("calls").get(action, 0) == before + 1, within=30)
    asked = time.monotonic()
    with nobody_writes(sandbox):
        # The answer comes `delay` after the question; half a second later the worker stands before the locked database.
        eventually(lambda: time.monotonic() > asked + delay + 0.5)
        worker = sandbox.facts["pids"]["worker"]
        os.killpg(worker, signal.SIGKILL)
        eventually(lambda: sandbox.facts["pids"]["worker"] != worker)
    return operation


def ended(sandbox: Sandbox, operation: str) -> dict[str, object]:
    """What became of it, when it has ended."""

    def look() -> dict[str, object] | None:
        told = sandbox.run_script(TOLD.format(operation=operation))
        return told if told["state"] not in {"pending", "running"} else None

    found: dict[str, object] = eventually(look, within=120)
    return found


def test_create_pays_for_one_instance(sandbox: Sandbox) -> None:
    image = sandbox.ec2().describe_images(Owners=["self"])["Images"][0]["ImageId"]

    operation = kill_worker_after_answer(sandbox, "RunInstances", CREATE.format(image=image))
    told = ended(sandbox, operation)

    assert told == told | {"state": "succeeded", "operations": 1, "rows": 1, "machine": "running", "ended": 1}, told
    found = sandbox.ec2().describe_instances(Filters=[{"Name": "tag:Name", "Values": ["born-twice"]}])
    assert len([instance for reservation in found["Reservations"] for instance in reservation["Instances"]]) == 1


@pytest.mark.parametrize(
    ("kind", "action", "name", "region", "machine"),
    [
        ("stop", "StopInstances", "ccnp-encor-01", "us-east-1", "stopped"),
        ("start", "StartInstances", "ccnp-enarsi-01", "us-west-2", "running"),
        ("terminate", "TerminateInstances", "tac-repro", "us-west-2", "terminated"),
    ],
)
def test_each_is_done_once_and_told_once(
    kind: str, action: str, name: str, region: str, machine: str, sandbox: Sandbox
) -> None:
    instance_id = sandbox.instance_id(name, region)

    operation = kill_worker_after_answer(sandbox, action, f"{ASK}\nanswer = ask({kind!r}, Worker.objects.get(name={name!r}))")
    told = ended(sandbox, operation)

    assert told == told | {"state": "succeeded", "operations": 1, "rows": 1, "machine": machine, "ended": 1}, told
    state = sandbox.ec2(region).describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]["State"][
        "Name"
    ]
    assert state == machine


def test_redis_dies_while_operations_wait_and_none_is_lost_or_done_twice(sandbox: Sandbox) -> None:
    names = ["ccnp-encor-02", "devnet-sandbox", "ccie-bootcamp-a", "ccie-bootcamp-b", "emea-partner-demo"]
    before = sandbox.control_aws("calls").get("StopInstances", 0)
    facts = sandbox.facts
    os.kill(facts["pids"]["worker"], signal.SIGSTOP)
    script = f"{ASK}\nanswer = [ask('stop', worker) for worker in Worker.objects.filter(name__in={names!r})]"
    operations = sandbox.run_script(script)
    assert len(operations) == len(names)

    os.kill(facts["pids"]["redis"], signal.SIGKILL)  # it keeps nothing: every queued message is gone
    eventually(lambda: sandbox.facts["pids"]["redis"] != facts["pids"]["redis"])
    os.kill(facts["pids"]["worker"], signal.SIGCONT)

    told = [ended(sandbox, operation) for operation in operations]
    assert [(one["state"], one["operations"], one["ended"]) for one in told] == [("succeeded", 1, 1)] * len(names)
    assert sandbox.control_aws("calls")["StopInstances"] == before + len(names)
