"""From rows to schemas, a page at a time: what stands beside a worker is read for all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts.models import User
from workers.api import worker_schemas as schemas
from workers.choices import Attention
from workers.gates import gates_of
from workers.models import Alert, Operation, Worker
from workers.models.alert import Mark
from workers.services.operations.openings import openings
from workers.services.operations.standing import on_its_way


def workers_shown(rows: Iterable[Worker]) -> list[schemas.Worker]:
    """The rows with what is going on and their alerts. Two queries."""
    found = list(rows)
    operations = Operation.objects.by_worker(worker.pk for worker in found)
    marks = Alert.objects.marks(worker.pk for worker in found)
    return [schemas.Worker(**worker_fields(one, operations.get(one.pk), marks.get(one.pk))) for one in found]


def worker_fields(worker: Worker, operation: Operation | None, mark: Mark | None) -> dict[str, Any]:
    """The fields of schemas.Worker."""
    return {
        "id": worker.pk,
        "name": str(worker),
        "description": worker.description,
        "region": worker.region,
        "zone": worker.zone,
        "instance_id": worker.instance_id,
        "instance_type": worker.instance_type,
        "ami_id": worker.ami_id,
        "ami_name": worker.ami_name,
        "public_address": worker.public_address,
        "private_address": worker.private_address,
        "endpoint": worker.endpoint,
        "cml_version": worker.cml_version,
        "attention": Attention(worker.attention).name.lower(),
        "machine": {
            "state": worker.machine,
            "reason": worker.machine_state_reason,
            "since": worker.machine_state_since,
        },
        "service": {
            "state": worker.service,
            "reasons": [str(reason) for reason in worker.service_reasons],
            "since": worker.service_state_since,
        },
        "license": {
            "state": worker.license,
            "text": worker.license_text,
            "registration_expires_at": worker.license_expires_at,
            "authorization_expires_at": worker.authorization_expires_at,
            "smart_account": worker.smart_account,
            "virtual_account": worker.virtual_account,
            "seats_in_use": worker.seats_in_use,
            "seats_max": worker.seats_max,
        },
        "usage": {name: getattr(worker, name) for name in schemas.Usage.model_fields}
        | {"cpu_source": worker.cpu_source or None},
        "known_at": {
            "ec2": worker.aws_succeeded_at,
            "cloudwatch": worker.metrics_succeeded_at,
            "cml": worker.cml_succeeded_at,
            "labs": worker.labs_succeeded_at,
            "cml_error": worker.cml_error,
        },
        "tags": worker.tags,
        "detailed_monitoring": worker.detailed_monitoring,
        "launched_at": worker.launched_at,
        "created_at": worker.created_at,
        "operation": operation and {"id": operation.pk, "kind": operation.kind, "asked_by": operation.asked_by},
        "alerts": {"count": mark.count if mark else 0, "worst": mark.severity if mark else None},
    }


def worker_detail(worker: Worker, *, user: User) -> schemas.WorkerDetail:
    """One worker, with what `user` may ask of it. Two queries."""
    others = on_its_way([worker])[worker.pk]
    mark = Alert.objects.marks([worker.pk]).get(worker.pk)
    of_machine = [one for one in others if one.subject_id is None]
    # As Operation.objects.by_worker has it: what is said of the machine's life matters most.
    current = min(of_machine, key=lambda one: (one.slot, -one.asked_at.timestamp()), default=None)
    return schemas.WorkerDetail(
        **worker_fields(worker, current, mark),
        ami_description=worker.ami_description,
        ami_created_at=worker.ami_created_at,
        status_checks=schemas.StatusChecks(
            system=worker.system_check, instance=worker.instance_check, since=worker.checks_since
        ),
        gates=[
            schemas.Gate(name=gate.name, label=gate.label, state=gate.shown, since=gate.since, why=gate.why)
            for gate in gates_of(worker)
        ],
        actions=openings(worker, others, user),
    )
