"""The step that pays: one instance, however often it is tried."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from workers.choices import MachineState
from workers.finding import OUR_TAG
from workers.models import Event, Operation, Worker
from workers.services import record
from workers.services.fleet_refresh import tag_text
from workers.services.operations import asking
from workers.services.operations.steps import Done, Outcome, Stopped, Task


def launch(task: Task) -> Outcome:
    """Ask EC2 for the instance, or find the one that an earlier try got before it could write so.

    Two nets: the tag finds an instance whose id was never stored; the ClientToken, the operation's id, makes EC2 answer a
    repeated RunInstances with the same instance (EC2 API reference, "Ensuring idempotency").
    """
    worker = task.worker
    if worker.instance_id:
        return Done(worker.instance_id)
    found = [i for i in task.aws.find_by_tag(OUR_TAG, str(worker.pk)) if i.state not in {"terminated", "shutting-down"}]
    instance = found[0] if found else task.aws.run_instance(**_arguments(task))
    changes: dict[str, Any] = {
        "instance_id": instance.instance_id,
        "instance_type": instance.instance_type,
        "ami_id": instance.image_id,
        "zone": instance.zone,
        "private_address": instance.private_address,
        "public_address": instance.public_address,
        "launched_at": instance.launched_at,
        "tags": dict(sorted(instance.tags.items())),
        "tag_text": tag_text(dict(sorted(instance.tags.items()))),
        "aws_due_at": None,
    }
    if record.apply(worker, changes, actor=asking.actor_of(task.operation), now=task.now) is None:
        raise Stopped(f"{worker} was changed meanwhile; its instance is {instance.instance_id}.")
    return Done(instance.instance_id)


def _arguments(task: Task) -> dict[str, Any]:
    parameters = task.operation.parameters
    tags = {**parameters.get("tags", {}), "Name": task.worker.name, OUR_TAG: str(task.worker.pk)}
    return {
        "image_id": parameters["image_id"],
        "root_device_name": parameters.get("root_device_name", ""),
        "instance_type": parameters["instance_type"],
        "client_token": str(task.operation.pk),
        "tags": tags,
        "subnet_id": parameters.get("subnet_id", ""),
        "security_group_ids": parameters.get("security_group_ids", []),
        "key_name": parameters.get("key_name", ""),
        "root_volume_gib": parameters.get("root_volume_gib"),
        "require_imds_v2": parameters.get("require_imds_v2", True),
        "detailed_monitoring": parameters.get("detailed_monitoring", False),
        "nested_virtualization": parameters.get("nested_virtualization", False),
    }


def give_up(operation: Operation, stopped: Stopped, *, now: datetime) -> None:
    """A worker that never got an instance is failed, with the reason; one that has an instance keeps its state."""
    nothing_came = Worker.objects.filter(instance_id="", machine_state=MachineState.PENDING)
    worker = nothing_came.filter(operations=operation).first()
    if worker is None:
        return
    changes = {"machine_state": MachineState.FAILED.value, "machine_state_reason": stopped.sentence[:255]}
    story = record.apply(worker, changes, actor=asking.actor_of(operation), now=now)
    Event.objects.bulk_create(record.credited(story or [], operation))
