"""The portal's own rows of the demo fleet, made once on the first start. Safe to repeat: what is there stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django


def main() -> None:
    """Make the people and the workers, and read the fleet once, so that the first page is full."""
    django.setup()
    from django.conf import settings

    if not settings.SANDBOX:
        raise SystemExit("Only the sandbox is seeded: its people have a published password.")
    _people()
    _workers()
    _first_look()


def _people() -> None:
    from django.contrib.auth.models import Group

    from accounts.models import User
    from cmlmanager.sandbox.people import PASSWORD, PEOPLE

    for person in PEOPLE:
        fields = {
            "first_name": person.first_name,
            "is_staff": person.role == "admin",
            "email": f"{person.username}@sandbox.invalid",
        }
        user, made = User.objects.get_or_create(username=person.username, defaults=fields)
        if made:
            user.set_password(PASSWORD)
            user.save()
            user.groups.add(Group.objects.get(name=person.role))


def _workers() -> None:
    from django.conf import settings
    from django.utils import timezone

    from workers.clients import aws
    from workers.models import Worker

    now = timezone.now()
    for region in settings.AWS_REGIONS:
        for instance in aws.client_for(region=region, endpoint_url=settings.AWS_ENDPOINT_URL).describe_instances():
            if "cml-manager:demo" in instance.tags:
                _worker(instance_id=instance.instance_id, region=region, name=instance.name, machine_state=instance.state)
    # States that EC2 does not have: one that could not be created, one that vanished.
    _worker(
        instance_id="",
        region="us-west-2",
        name="ccie-bootcamp-c",
        machine_state="failed",
        machine_state_reason="EC2 has no capacity for m5zn.metal in us-west-2a at the moment. Try another zone or type.",
        instance_type="m5zn.metal",
    )
    lost = _worker(instance_id="i-0ddba11c0ffee0042", region="us-east-1", name="intern-playground", instance_type="c5.12xlarge")
    # Old enough to be looked up by id and found missing: EC2's own word makes it lost, not ours.
    Worker.objects.filter(pk=lost.pk).update(
        created_at=now - timedelta(days=12), machine_state="running", machine_state_since=now - timedelta(days=12)
    )


def _worker(*, instance_id: str, name: str, **fields: Any) -> Any:
    from django.utils import timezone

    from workers.choices import EventKind
    from workers.models import Worker
    from workers.services import record

    worker, made = Worker.objects.get_or_create(instance_id=instance_id, name=name, defaults=fields)
    if made:
        record.event_of(
            worker, EventKind.IMPORTED, actor=record.SYSTEM, now=timezone.now(), after=instance_id, detail="Demo fleet"
        ).save()
    return worker


def _first_look() -> None:
    from django.conf import settings
    from django.utils import timezone

    from cmlmanager.sandbox.past import tell_the_past
    from workers.services import fleet_refresh, metrics_refresh

    for region in settings.AWS_REGIONS:
        fleet_refresh.refresh_region(region=region, now=timezone.now())
        metrics_refresh.refresh_metrics(region=region, now=timezone.now())
    tell_the_past(now=timezone.now())


if __name__ == "__main__":
    main()
