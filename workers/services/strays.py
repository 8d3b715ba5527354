"""Instances with our tag and no row: found in what the fleet refresh has read anyway, so they cost no call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from workers import events
from workers.choices import MachineState
from workers.clients import aws
from workers.finding import OUR_TAG
from workers.models import StrayInstance, Worker

_GOING = {MachineState.SHUTTING_DOWN, MachineState.TERMINATED}


def keep(*, region: str, account: str = "", instances: Iterable[aws.Instance], now: datetime) -> None:
    """Take over which strays there are now in `region` of `account`; writes, and tells pages, only what changed."""
    strays = {instance.instance_id: instance for instance in _without_row(instances)}
    known = {stray.instance_id: stray for stray in StrayInstance.objects.filter(account=account, region=region)}
    gone = known.keys() - strays.keys()
    new = [_row(account, region, instance, now) for key, instance in strays.items() if key not in known]
    changed = []
    for key, stray in known.items():
        instance = strays.get(key)
        if instance and (stray.name, stray.state) != (instance.name[:255], instance.state):
            stray.name, stray.state = instance.name[:255], instance.state
            changed.append(stray)
    if not (gone or new or changed):
        return
    with transaction.atomic():
        StrayInstance.objects.filter(instance_id__in=gone).delete()
        StrayInstance.objects.bulk_update(changed, ["name", "state"])
        StrayInstance.objects.bulk_create(new, ignore_conflicts=True)
        events.announce_membership()


def on_its_way(tags: dict[str, str], workers: set[str]) -> bool:
    """Whether the instance belongs to a worker that is being created: EC2 has answered, the row does not know it yet."""
    return tags.get(OUR_TAG) in workers


def being_created() -> set[str]:
    """Ids of workers that wait for their instance."""
    waiting = Worker.objects.filter(instance_id="", machine_state=MachineState.PENDING).values_list("pk", flat=True)
    return {str(pk) for pk in waiting}


def _without_row(instances: Iterable[aws.Instance]) -> list[aws.Instance]:
    ours = [i for i in instances if OUR_TAG in i.tags and i.state in MachineState.values and i.state not in _GOING]
    # First who waits, then who is known: a row that gets its instance in between is found by the second look.
    waiting = being_created() if ours else set()
    known: set[str] = set()
    for start in range(0, len(ours), 500):
        ids = [instance.instance_id for instance in ours[start : start + 500]]
        known |= set(Worker.objects.filter(instance_id__in=ids).values_list("instance_id", flat=True))
    return [i for i in ours if i.instance_id not in known and not on_its_way(i.tags, waiting)]


def _row(account: str, region: str, instance: aws.Instance, now: datetime) -> StrayInstance:
    return StrayInstance(
        account=account,
        region=region,
        instance_id=instance.instance_id,
        name=instance.name[:255],
        state=instance.state,
        seen_at=now,
    )
