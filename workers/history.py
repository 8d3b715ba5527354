"""Reads of usage over time, shaped for sparklines and charts."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from workers.choices import UsageSource
from workers.models import Sample, Worker

SPARKLINE_STEP = timedelta(minutes=5)
SPARKLINE_STEPS = 36


@dataclass(frozen=True)
class Window:
    """A span of a usage chart: how far back, and how wide one mean is."""

    key: str
    label: str
    span: timedelta
    step: timedelta


WINDOWS = {
    window.key: window
    for window in (
        Window("1h", "1 hour", timedelta(hours=1), timedelta(minutes=1)),
        Window("6h", "6 hours", timedelta(hours=6), timedelta(minutes=5)),
        Window("24h", "24 hours", timedelta(hours=24), timedelta(minutes=15)),
        Window("7d", "7 days", timedelta(days=7), timedelta(hours=2)),
    )
}


@dataclass(frozen=True)
class Mean:
    """Means of one step, percent; None where nothing was measured."""

    at: datetime
    cpu: float | None
    memory: float | None
    disk: float | None


def floor_to(moment: datetime, step: timedelta) -> datetime:
    """`moment` rounded down to a whole `step` since the epoch, so that steps do not slide from one reading to the next."""
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, tz=moment.tzinfo)


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 1) if values else None


def attach_sparklines(workers: Iterable[Worker], *, now: datetime) -> list[Worker]:
    """Give each worker `cpu_recent`: 36 five-minute CPU means in percent, oldest first, None where nothing was measured. One query.

    A worker's line is CML's figures where it has any in the window, else CloudWatch's: the two measure differently and are not mixed.
    """
    rows = list(workers)
    start = floor_to(now, SPARKLINE_STEP) - SPARKLINE_STEP * (SPARKLINE_STEPS - 1)
    found: dict[uuid.UUID, dict[str, dict[int, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    samples = Sample.objects.since([worker.pk for worker in rows], start).filter(cpu__isnull=False)
    for worker_id, at, source, cpu in samples.values_list("worker_id", "at", "source", "cpu"):
        step = int((at - start) / SPARKLINE_STEP)
        if cpu is not None and 0 <= step < SPARKLINE_STEPS:
            found[worker_id][source][step].append(cpu)
    for worker in rows:
        sources = found[worker.pk]
        steps = sources.get(UsageSource.CML) or sources.get(UsageSource.CLOUDWATCH) or {}
        worker.cpu_recent = [_mean(steps.get(step, ())) for step in range(SPARKLINE_STEPS)]  # type: ignore[attr-defined]
    return rows


def usage(worker: Worker, window: Window, *, now: datetime) -> list[Mean]:
    """Means of cpu, memory and disk over `window`, oldest first, a `Mean` for every step. CPU as in the sparkline. One query."""
    last = floor_to(now, window.step)
    count = int(window.span / window.step)
    start = last - window.step * (count - 1)
    cpu: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    rest: dict[str, dict[int, list[float]]] = {"memory": defaultdict(list), "disk": defaultdict(list)}
    samples = Sample.objects.since([worker.pk], start)
    for at, source, *values in samples.values_list("at", "source", "cpu", "memory", "disk"):
        step = int((at - start) / window.step)
        if values[0] is not None:
            cpu[source][step].append(values[0])
        for name, value in zip(("memory", "disk"), values[1:], strict=True):
            if value is not None:
                rest[name][step].append(value)
    line = cpu.get(UsageSource.CML) or cpu.get(UsageSource.CLOUDWATCH) or {}
    return [
        Mean(
            start + window.step * step,
            _mean(line.get(step, ())),
            _mean(rest["memory"].get(step, ())),
            _mean(rest["disk"].get(step, ())),
        )
        for step in range(count)
    ]
