"""Steps that change how an instance is labelled and watched."""

from __future__ import annotations

from django.db import transaction

from workers import events
from workers.choices import EventKind
from workers.models import Worker
from workers.services.fleet_refresh import tag_text
from workers.services.operations import asking
from workers.services.operations.steps import Done, Outcome, Stopped, Task


def tag(task: Task) -> Outcome:
    """Merge: set what is to be set, remove what is to be removed, leave the rest. Both calls may be repeated."""
    wanted, unwanted = task.operation.parameters.get("set", {}), task.operation.parameters.get("remove", [])
    instance = [task.worker.instance_id]
    if wanted:
        task.aws.create_tags(instance, wanted)
    if unwanted:
        task.aws.delete_tags(instance, unwanted)
    return Done()


def monitor(task: Task) -> Outcome:
    """Switch detailed monitoring on or off."""
    switch = task.aws.monitor_instances if task.operation.parameters["on"] else task.aws.unmonitor_instances
    switch([task.worker.instance_id])
    return Done()


def read_back(task: Task) -> Outcome:
    """Take over what EC2 has now, in this operation's name."""
    worker = task.worker
    found = task.aws.find_instances([worker.instance_id])
    if not found:
        raise Stopped(f"EC2 does not know {worker} ({worker.instance_id}) any more.")
    instance = found[0]
    tags = dict(sorted(instance.tags.items()))
    fields = {"tags": tags, "tag_text": tag_text(tags), "detailed_monitoring": instance.detailed_monitoring}
    if instance.name:
        fields["name"] = instance.name[:255]
    with transaction.atomic():
        for kind, before, after in _changes(worker, tags, instance.detailed_monitoring):
            asking.note(task.operation, kind, worker, now=task.now, before=before, after=after)
        Worker.objects.filter(pk=worker.pk).update(**fields)
        former = {name: getattr(worker, name) for name in fields}
        for name, value in fields.items():
            setattr(worker, name, value)
        events.tell_changes(worker, former, by=asking.actor_of(task.operation), at=task.now)
    return Done()


def _changes(worker: Worker, tags: dict[str, str], monitoring: bool) -> list[tuple[EventKind, str, str]]:
    changes = []
    if worker.tags != tags:
        gone = {key: value for key, value in worker.tags.items() if tags.get(key) != value}
        new = {key: value for key, value in tags.items() if worker.tags.get(key) != value}
        changes.append((EventKind.TAGS, _words(gone), _words(new)))
    if worker.detailed_monitoring != monitoring:
        changes.append((EventKind.MONITORING, _switch(worker.detailed_monitoring), _switch(monitoring)))
    return changes


def _words(tags: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(tags.items()))


def _switch(on: bool) -> str:
    return "on" if on else "off"
