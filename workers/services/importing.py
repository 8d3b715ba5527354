"""Instances that exist become workers. From the page, the command and discovery alike; only `find` asks AWS."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.dateparse import parse_datetime

from workers import events, queue
from workers.choices import EventKind, MachineState, OperationKind
from workers.clients import aws
from workers.models import Operation, StrayInstance, Worker
from workers.services import places, record, strays
from workers.services.fleet_refresh import tag_text
from workers.services.operations import asking, looks
from workers.services.operations.asking import Asker
from workers.services.places import Place

KNOWN = "Already a worker of the portal."


class UnableToFind(Exception):
    """AWS did not answer the question; the sentence says why, `detail` is for whoever mends it."""

    def __init__(self, sentence: str, detail: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.detail = detail


class UnableToImport(Exception):
    """Why nothing was imported, as a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class ImportResult:
    """The new workers, and instance id → why it is none."""

    imported: list[Worker] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def look_for_instances(*, region: str, account: str = "", question: Mapping[str, Any], by: Asker, now: datetime) -> Operation:
    """Have EC2 asked what there is to import (`finding.question`); the answer becomes the operation's result."""
    parameters = {"what": "instances", "account": account, "region": region, **question}
    with transaction.atomic():
        return asking.add(kind=OperationKind.LOOK, worker=None, by=by, now=now, parameters=parameters)


def find(*, region: str, account: str = "", question: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ask EC2 now, for commands and tasks: what an operation's look finds. Raises UnableToFind."""
    try:
        return looks.importable(places.client_of(region=region, account=account), dict(question))
    except aws.AwsError as error:
        raise UnableToFind(error.sentence, error.detail) from error


def import_found(*, look: Operation, instance_ids: Container[str] | None, by: Asker, now: datetime) -> ImportResult:
    """Import those of `look`'s instances that are named, None: all, except what is skipped. Raises UnableToImport when that is none."""
    found = look.result.get("instances", [])
    chosen = [one for one in found if not one["skipped"] and (instance_ids is None or one["instance_id"] in instance_ids)]
    if not chosen:
        raise UnableToImport("Nothing was ticked, so nothing was imported.")
    where = {"region": look.parameters["region"], "account": look.parameters.get("account", "")}
    return import_instances(**where, instances=chosen, by=by, now=now)


def adopt(*, instance_ids: Iterable[str] | None, by: Asker, now: datetime) -> ImportResult:
    """Instances with the portal's tag become workers: those named, or all that are offered (None). Raises UnableToImport."""
    offered = StrayInstance.objects.all()
    if instance_ids is not None:
        offered = offered.filter(instance_id__in=list(instance_ids)[: looks.MOST])
    places: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for stray in offered:
        item = {"instance_id": stray.instance_id, "name": stray.name, "state": stray.state}
        places.setdefault((stray.account, stray.region), []).append(item)
    if not places:
        raise UnableToImport("That instance is not offered any more: it is a worker by now, or gone.")
    total = ImportResult()
    for (account, region), items in places.items():
        result = import_instances(region=region, account=account, instances=items, by=by, now=now)
        total.imported.extend(result.imported)
        total.skipped.update(result.skipped)
    return total


def import_instances(
    *, region: str, account: str = "", instances: Iterable[Mapping[str, Any]], by: Asker, now: datetime
) -> ImportResult:
    """Make a worker of each of `instances` that is none yet; the fleet refresh reads the rest of what EC2 knows at once.

    An instance has instance_id, name and state, and perhaps instance_type, image_id, launched_at (ISO) and tags.
    Importing one twice, even at the same moment, gives one worker: the database refuses the second.
    """
    result = ImportResult()
    waiting = strays.being_created()
    with transaction.atomic():
        # In one order everywhere, so that two imports of the same instances cannot wait for each other.
        for instance in sorted(instances, key=lambda item: str(item["instance_id"])):
            why = _why_not(instance, waiting)
            worker = None if why else _import(Place(account, region), instance, by, now=now)
            if worker is None:
                result.skipped[instance["instance_id"]] = why or KNOWN
            else:
                result.imported.append(worker)
        StrayInstance.objects.filter(instance_id__in=[w.instance_id for w in result.imported]).delete()
        if result.imported:
            events.announce_membership()
            events.announce_counts()
            queue.refresh_region(region=region, account=account)
    return result


def _why_not(instance: Mapping[str, Any], waiting: set[str]) -> str:
    if strays.on_its_way(instance.get("tags") or {}, waiting):
        return "The portal is creating it right now."
    if instance["state"] in {MachineState.SHUTTING_DOWN, MachineState.TERMINATED}:
        return "It is terminated."
    return KNOWN if Worker.objects.filter(instance_id=instance["instance_id"]).exists() else ""


def _import(place: Place, instance: Mapping[str, Any], by: Asker, *, now: datetime) -> Worker | None:
    """The new worker, or None when somebody else made it a moment ago."""
    tags = dict(sorted((instance.get("tags") or {}).items()))
    state = instance["state"] if instance["state"] in MachineState.values else MachineState.PENDING
    try:
        with transaction.atomic():
            worker = Worker.objects.create(
                account=place.account,
                region=place.region,
                instance_id=instance["instance_id"],
                instance_type=instance.get("instance_type", ""),
                ami_id=instance.get("image_id", ""),
                name=str(instance.get("name", ""))[:255],
                machine_state=state,
                machine_state_since=now,
                launched_at=parse_datetime(instance.get("launched_at") or ""),
                tags=tags,
                tag_text=tag_text(tags),
            )
    except IntegrityError:
        if Worker.objects.filter(instance_id=instance["instance_id"]).exists():
            return None
        raise
    event = record.event_of(worker, EventKind.IMPORTED, actor=by.actor, now=now, after=worker.instance_id, detail=by.reason)
    event.from_address = by.from_address
    event.save()
    events.tell_worker(worker, events.IMPORTED, by=by.actor, at=now)
    return worker
