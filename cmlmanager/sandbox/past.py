"""A past for the demo fleet: without it every chart would begin at the first start."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cmlmanager.sandbox.cml.numbers import usage
from cmlmanager.sandbox.cml.seed import first_state
from cmlmanager.sandbox.fleet import FLEET, DemoWorker

if TYPE_CHECKING:
    from workers.models import Worker

STEP = timedelta(minutes=5)
REACH = timedelta(hours=24)


def tell_the_past(*, now: datetime) -> None:
    """Give running demo workers the time since when they run, and a day of usage that the simulated CML then goes on with."""
    from workers.models import Worker

    demos = {demo.name: demo for demo in FLEET}
    for worker in Worker.objects.filter(machine_state="running", launched_at__isnull=False):
        if worker.name in demos:
            Worker.objects.filter(pk=worker.pk).update(machine_state_since=worker.launched_at)
            if demos[worker.name].fault not in {"silent", "refused"}:
                _usage(worker, demos[worker.name], now=now)


def _usage(worker: Worker, demo: DemoWorker, *, now: datetime) -> None:
    from workers.choices import UsageSource
    from workers.models import Sample

    assert worker.launched_at is not None
    # The very server that the simulator will make: its figures are a function of the time.
    state = first_state(instance_id=worker.instance_id, demo=demo.name, admin="admin")
    start = max(worker.launched_at, now - REACH)
    samples = []
    for step in range(1, math.ceil((now - start) / STEP)):
        moment = now - step * STEP
        figures = usage(state, now=moment.timestamp())
        samples.append(
            Sample(
                worker=worker,
                at=moment.replace(microsecond=0),
                source=UsageSource.CML,
                cpu=figures.cpu_percent,
                memory=100 * figures.memory_used / figures.memory_total,
                disk=100 * figures.disk_used / figures.disk_total,
                nodes=state.running_nodes(),
                labs=sum(lab.running for lab in demo.labs),
            )
        )
    Sample.objects.bulk_create(samples, ignore_conflicts=True, batch_size=500)
