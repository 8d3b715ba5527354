"""Many workers at once, for benches: believable, and made in seconds."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from workers.choices import MachineState, UsageSource
from workers.models import Worker
from workers.models.steps import floor_to
from workers.sparklines import SPARKLINE_STEP, SPARKLINE_STEPS

_BATCH = 500
# Two thirds of a fleet run, some fail: what an operator would call an ordinary day.
_STATES = (
    *(("running", "ready", "registered"),) * 12,
    ("running", "degraded", "registered"),
    ("running", "ready", "unregistered"),
    ("running", "unreachable", "unknown"),
    ("pending", "unknown", "unknown"),
    *(("stopped", "unknown", "registered"),) * 4,
)


def import_workers(instance_ids: Sequence[str], *, region: str, now: datetime) -> None:
    """Workers of which nothing is known but the instance, old enough to be called lost."""
    Worker.objects.bulk_create(
        (Worker(region=region, instance_id=instance_id, machine_state=MachineState.PENDING) for instance_id in instance_ids),
        batch_size=_BATCH,
    )
    Worker.objects.all().update(created_at=now - timedelta(hours=1))


def make_fleet(count: int, *, now: datetime) -> None:
    """`count` workers in three regions, in the states of an ordinary day, with tags and figures."""
    dice = random.Random(count)
    workers = []
    for index in range(count):
        machine, service, license_state = _STATES[index % len(_STATES)]
        running = machine == "running" and service != "unreachable"
        owner = f"team-{index % 40:02}"
        tags = {"Name": f"cml-{index:05}", "Owner": owner, "Environment": ("training", "lab", "demo")[index % 3]}
        workers.append(
            Worker(
                id=uuid.UUID(int=dice.getrandbits(128), version=4),
                name=tags["Name"],
                region=("us-east-1", "us-west-2", "eu-central-1")[index % 3],
                instance_id=f"i-{index:017x}",
                instance_type=("m5zn.metal", "c5.4xlarge")[index % 2],
                zone="a",
                public_address=f"198.18.{index // 250 % 256}.{index % 250 + 1}",
                private_address=f"10.20.{index // 250 % 256}.{index % 250 + 1}",
                tags=tags,
                tag_text="".join(f"\n{key}={value}" for key, value in tags.items()) + "\n",
                machine_state=machine,
                service_state=service,
                license_state=license_state,
                cpu=dice.uniform(1, 95) if running else None,
                cpu_source=UsageSource.CML if running else "",
                memory=dice.uniform(1, 95) if running else None,
                disk=dice.uniform(1, 95) if running else None,
                nodes_running=dice.randrange(60) if running else None,
                nodes_total=60,
                labs_running=dice.randrange(9) if running else None,
                labs_total=9,
                aws_checked_at=now,
                aws_succeeded_at=now,
            )
        )
    Worker.objects.bulk_create(workers, batch_size=_BATCH)


def add_samples(*, now: datetime) -> int:
    """A sample in each of the 36 steps of every worker's sparkline; returns how many there are."""
    last = floor_to(now, SPARKLINE_STEP)
    # In SQL: a third of a million rows take the ORM most of a minute.
    statement = (
        "INSERT INTO workers_sample (worker_id, at, source, cpu) SELECT id, %s, 'cml', abs(random()) %% 100 FROM workers_worker"
    )
    with connection.cursor() as cursor:
        for step in range(SPARKLINE_STEPS):
            at = connection.ops.adapt_datetimefield_value(last - SPARKLINE_STEP * step)
            cursor.execute(statement, [at])
        cursor.execute("SELECT count(*) FROM workers_sample")
        return int(cursor.fetchone()[0])
