"""What EC2 says of the fleet: one look at a region, whatever the number of workers in it."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from cmlmanager import runtime
from workers import aws_accounts, events, queue
from workers.choices import ActorKind, MachineState, OperationKind, ServiceState
from workers.clients import aws
from workers.models import Event, Operation, RegionCheck, Worker
from workers.services import due, places, record, strays
from workers.services.alerts import evaluation
from workers.services.images import image_fields
from workers.services.licenses import seats
from workers.services.operations.rules import EXPECTED
from workers.services.places import Place

logger = logging.getLogger(__name__)

# EC2 is eventually consistent: an instance may be missing from answers for a while after RunInstances.
YOUNG = timedelta(minutes=5)
USER_INITIATED = "Client.UserInitiated"  # somebody pressed stop or terminate: no news
CHUNK = 200  # workers a transaction: short enough not to keep other writers of SQLite waiting


@dataclass(frozen=True)
class RegionReading:
    """One look at a region: the workers as they were known just before, and what EC2 said."""

    workers: list[Worker]
    instances: dict[str, aws.Instance]
    checks: dict[str, aws.StatusChecks]


def tick(*, now: datetime) -> int:
    """Queue a refresh for each region of each account in which something is due; returns for how many."""
    for field, name in (("aws_due_at", "STATE_INTERVAL"), ("metrics_due_at", "METRICS_INTERVAL")):
        due.pull_forward(field, within=runtime.value(name), over=0, now=now)
    found = due.due_places(now=now)
    for account, region in found:
        queue.refresh_region(region=region, account=account)
    return len(found)


def refresh_region(*, region: str, account: str = "", now: datetime) -> int:
    """Read what is due in `region` of `account` from EC2 and write what changed; returns how many workers were read.

    An error of AWS changes no worker: it is kept as the region's error, shown with its age, and the next tick tries again.
    """
    place = Place(account, region)
    interval = runtime.value("STATE_INTERVAL") - settings.FLEET_TICK
    ids = due.claim_region("aws_due_at", region=region, account=account, interval=interval, now=now)
    if not ids:
        return 0
    workers = list(Worker.objects.filter(pk__in=ids))
    try:
        client = places.client_of(region=region, account=account)
        reading = _read(client, workers, now=now)
    except aws.AwsError as error:
        _record_failure(place, error, now=now)
        Worker.objects.filter(pk__in=ids).update(aws_checked_at=now)
        return 0
    _record_success(place, ids, now=now)
    changed, moved = _apply(client, reading, now=now)
    strays.keep(region=region, account=account, instances=reading.instances.values(), now=now)
    with transaction.atomic():
        events.announce_workers(changed)
        events.announce_region_checked(place=aws_accounts.place(account, region), at=now)
        if moved:
            events.announce_counts()
            queue.refresh_cml()
    evaluation.evaluate(worker_ids=ids, now=now)
    return len(workers)


def _read(client: aws.AwsClient, workers: list[Worker], *, now: datetime) -> RegionReading:
    instances = {instance.instance_id: instance for instance in client.describe_instances()}
    missing = [w.instance_id for w in workers if w.instance_id not in instances and now - w.created_at > YOUNG]
    if missing:
        # A second look by id before anything is called lost: a page of the first answer may have been short.
        instances |= {instance.instance_id: instance for instance in client.find_instances(missing)}
    return RegionReading(workers, instances, client.describe_status_checks())


def _apply(client: aws.AwsClient, reading: RegionReading, *, now: datetime) -> tuple[list[uuid.UUID], bool]:
    """Write the changes; returns the changed workers, and whether any state moved."""
    images = image_fields(client, reading.workers, reading.instances, now=now)
    changed: list[uuid.UUID] = []
    moved = False
    in_flight = Operation.objects.by_worker(worker.pk for worker in reading.workers)
    for start in range(0, len(reading.workers), CHUNK):
        stories: list[Event] = []
        with transaction.atomic():
            for worker in reading.workers[start : start + CHUNK]:
                instance = reading.instances.get(worker.instance_id)
                found = (
                    _missing(worker, now=now)
                    if instance is None
                    else _found(worker, instance, reading.checks) | images.get(instance.image_id, {})
                )
                changes = record.differences(worker, found)
                moved |= "machine_state" in changes
                cause = _cause(worker, changes, in_flight.get(worker.pk))
                actor = (
                    record.Actor(kind=ActorKind(cause.actor_kind), user=cause.actor, label=cause.actor_name)
                    if cause
                    else record.EC2
                )
                before = worker.machine_state
                story = record.apply(worker, changes, actor=actor, now=now, detail=found.get("machine_state_reason", ""))
                if story is not None and changes:
                    seats.after_move(worker, before=before, actor=actor, now=now, operation=cause)
                    changed.append(worker.pk)
                    stories += record.credited(story, cause)
            Event.objects.bulk_create(stories)
    return changed, moved


def _cause(worker: Worker, changes: dict[str, Any], operation: Operation | None) -> Operation | None:
    """The operation in flight that brings this change about, or None: then it came from outside the portal, as new tags always do."""
    if operation is None or operation.slot != "life" or "tags" in changes:
        return None
    expected = EXPECTED[OperationKind(operation.kind)]
    return operation if changes.get("machine_state", worker.machine_state) in expected else None


def _found(worker: Worker, instance: aws.Instance, checks: dict[str, aws.StatusChecks]) -> dict[str, Any]:
    """EC2's answer as fields of a worker. A state that EC2 may add one day is ignored, not guessed."""
    state = instance.state if instance.state in MachineState.values else worker.machine_state
    running = state == MachineState.RUNNING
    check = checks.get(instance.instance_id) if running else None
    tags = dict(sorted(instance.tags.items()))
    found: dict[str, Any] = {
        "machine_state": state,
        "machine_state_reason": "" if instance.state_reason.startswith(USER_INITIATED) else instance.state_reason[:255],
        "instance_type": instance.instance_type,
        "ami_id": instance.image_id,
        "zone": instance.zone,
        "public_address": instance.public_address,
        "private_address": instance.private_address,
        "launched_at": instance.launched_at,
        "detailed_monitoring": instance.detailed_monitoring,
        "tags": tags,
        "tag_text": tag_text(tags),
        "system_check": check.system if check else "",
        "instance_check": check.instance if check else "",
    }
    if instance.name:
        found["name"] = instance.name[:255]
    if instance.account_id:
        found["account_id"] = instance.account_id[:12]
    if state != worker.machine_state:
        found |= started() if running else silent()
    return found


def _missing(worker: Worker, *, now: datetime) -> dict[str, Any]:
    """EC2 does not know the instance, also by its id: gone as expected, or lost. A young one may still appear."""
    if now - worker.created_at <= YOUNG:
        return {}
    if worker.machine_state == MachineState.SHUTTING_DOWN:
        return {
            "machine_state": MachineState.TERMINATED.value,
            "machine_state_reason": "EC2 has forgotten the instance.",
        } | silent()
    if worker.machine_state == MachineState.LOST:
        return {}
    reason = "EC2 no longer knows this instance, and the portal did not terminate it."
    return {"machine_state": MachineState.LOST.value, "machine_state_reason": reason} | silent()


def started() -> dict[str, Any]:
    """Fields of a worker whose machine has just come up: CML, its labs and CloudWatch are asked at once."""
    return {"cml_due_at": None, "labs_due_at": None, "metrics_due_at": None, "cml_timeouts": 0}


def silent() -> dict[str, Any]:
    """Fields of a worker whose machine does not run: no service, no usage. The licence stays: the seat is still taken."""
    return {
        "service_state": ServiceState.UNKNOWN.value,
        "service_reasons": [],
        "cml_error": "",
        "cpu": None,
        "cpu_source": "",
        "memory": None,
        "disk": None,
        "nodes_running": None,
        "labs_running": None,
        "network_in": None,
        "network_out": None,
        "checks_failed": None,
        "refresh_asked_at": None,
        "health": {},
        "gates": [],
        "computes": [],
    }


def tag_text(tags: dict[str, str]) -> str:
    """The tags as lines for search: "\\nkey=value\\n…", or "" without tags."""
    return "".join(f"\n{key}={value}" for key, value in tags.items()) + ("\n" if tags else "")


def _record_success(place: Place, ids: list[uuid.UUID], *, now: datetime) -> None:
    with transaction.atomic():
        for start in range(0, len(ids), 500):
            Worker.objects.filter(pk__in=ids[start : start + 500]).update(aws_checked_at=now, aws_succeeded_at=now)
        check, _ = RegionCheck.objects.get_or_create(account=place.account, region=place.region)
        recovered = check.failing_since is not None
        RegionCheck.objects.filter(pk=check.pk).update(checked_at=now, succeeded_at=now, failing_since=None, error="")
        if recovered:
            logger.info("AWS answers again in %s", check)
            events.announce_membership()


def _record_failure(place: Place, error: aws.AwsError, *, now: datetime) -> None:
    with transaction.atomic():
        check, _ = RegionCheck.objects.get_or_create(account=place.account, region=place.region)
        first = check.failing_since is None
        fields = {"checked_at": now, "failing_since": check.failing_since or now, "error": error.sentence[:500]}
        RegionCheck.objects.filter(pk=check.pk).update(**fields)
        if first or check.error != error.sentence[:500]:
            # Once for an outage, not once a minute.
            logger.warning("EC2 cannot be read in %s: %s (%s)", check, error.sentence, error.detail)
            events.announce_membership()
