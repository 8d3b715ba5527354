"""A past for the demo fleet: without it every chart would begin at the first start.

A month of hours and a day of readings, as the portal would have them by now; the last hour as fine as the sandbox reads. More readings
would only make the first start slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cmlmanager.sandbox.aws.measures import MINUTE, cpu_percent, level_of, network_bytes
from cmlmanager.sandbox.cml.numbers import usage
from cmlmanager.sandbox.cml.seed import first_state
from cmlmanager.sandbox.cml.state import CmlState
from cmlmanager.sandbox.fleet import FLEET, DemoWorker

if TYPE_CHECKING:
    from workers.models import HourlySample, Sample, Worker

HOUR = timedelta(hours=1)
MONTH = timedelta(days=31)
DAY = timedelta(days=1)
STEP = timedelta(minutes=5)
FINE = timedelta(minutes=1)
OFF = timedelta(hours=7)  # for which a machine had been stopped before its latest start
MINUTES_TOLD = (0, 20, 40)  # minutes of an hour that stand for all


@dataclass(frozen=True)
class _Teller:
    """What one worker's two sources would have said at any moment: their figures are functions of the time."""

    worker: Worker
    demo: DemoWorker
    state: CmlState

    @property
    def _launched(self) -> datetime:
        assert self.worker.launched_at is not None
        return self.worker.launched_at

    def ran(self, at: datetime) -> bool:
        return at >= self._launched or at < self._launched - OFF

    def _share(self, at: datetime) -> float:
        """Of what runs now, how much ran then: since the start all of it, before that half on weekends."""
        return 0.5 if at < self._launched and at.weekday() >= 5 else 1

    def cml(self, at: datetime) -> dict[str, Any]:
        figures, share = usage(self.state, now=at.timestamp()), self._share(at)
        return {
            "cpu": figures.cpu_percent * share,
            "memory": 100 * figures.memory_used / figures.memory_total * share,
            "disk": 100 * figures.disk_used / figures.disk_total,
            "nodes": int(self.state.running_nodes() * share),
            "labs": int(sum(lab.running for lab in self.demo.labs) * share),
        }

    def cloudwatch(self, at: datetime) -> dict[str, Any]:
        name, minute, level = self.worker.instance_id, int(at.timestamp()), level_of(self.worker.instance_id, self.demo)
        level *= self._share(at)
        return {
            "cpu": cpu_percent(name, minute, level),
            "network_in": network_bytes("NetworkIn", name, minute, level) / MINUTE,
            "network_out": network_bytes("NetworkOut", name, minute, level) / MINUTE,
            "checks_failed": 0,
        }


def tell_the_past(*, now: datetime) -> None:
    """Give running demo workers the time since when they run, and the usage that the simulators then go on with."""
    from workers.models import HistoryMark, HourlySample, Sample, Worker
    from workers.services.rollup import hour_of

    demos = {demo.name: demo for demo in FLEET}
    since = hour_of(now - DAY)
    for worker in Worker.objects.filter(machine_state="running", launched_at__isnull=False):
        if worker.name in demos:
            Worker.objects.filter(pk=worker.pk).update(machine_state_since=worker.launched_at)
            demo = demos[worker.name]
            # The very server that the simulator will make.
            state = first_state(instance_id=worker.instance_id, demo=demo.name, admin="admin")
            teller = _Teller(worker, demo, state)
            HourlySample.objects.bulk_create(_hours(teller, since=since), ignore_conflicts=True, batch_size=500)
            Sample.objects.bulk_create(_readings(teller, since=since, now=now), ignore_conflicts=True, batch_size=500)
    HistoryMark.objects.get_or_create(pk=1, defaults={"rolled_to": since})


def _sources(teller: _Teller) -> list[tuple[str, Any]]:
    from workers.choices import UsageSource

    silent = teller.demo.fault in {"silent", "refused"}
    told = [(UsageSource.CLOUDWATCH.value, teller.cloudwatch)]
    return told if silent else [(UsageSource.CML.value, teller.cml), *told]


def _hours(teller: _Teller, *, since: datetime) -> Iterator[HourlySample]:
    """The hours of a month before `since`."""
    from workers.models import FIGURES, HourlySample

    for number in range(1, int((MONTH - DAY) / HOUR)):
        hour = since - number * HOUR
        moments = [at for at in (hour + timedelta(minutes=minute) for minute in MINUTES_TOLD) if teller.ran(at)]
        for source, say in _sources(teller) if moments else ():
            readings = [say(at) for at in moments]
            fields: dict[str, Any] = {"count": len(readings)}
            for name in FIGURES:
                values = [reading[name] for reading in readings if name in reading]
                fields[f"{name}_count"] = len(values)
                if values:
                    fields |= {name: sum(values) / len(values), f"{name}_low": min(values), f"{name}_high": max(values)}
            yield HourlySample(worker=teller.worker, at=hour, source=source, **fields)


def _readings(teller: _Teller, *, since: datetime, now: datetime) -> Iterator[Sample]:
    """Readings from `since` until just before `now`: CML's, and CloudWatch's of whole periods."""
    from workers.models import Sample

    for source, say in _sources(teller):
        at = since
        while at < now - (STEP if source == "cloudwatch" else FINE):
            if teller.ran(at):
                yield Sample(worker=teller.worker, at=at, source=source, **say(at))
            at += FINE if source == "cml" and at >= now - HOUR else STEP
