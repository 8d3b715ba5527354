"""Reads of usage over time, shaped for charts: windows, means of equal steps, and the lowest, mean and highest of all samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import DateTimeField, Subquery, Value
from django.db.models.functions import Coalesce

from cmlmanager import runtime
from workers.choices import UsageSource
from workers.models import FIGURES, HistoryMark, HourlySample, Sample, Worker
from workers.models.steps import floor_to

CLOUDWATCH_PERIOD = timedelta(minutes=5)
# Two values further apart than this many readings are not joined: between them nothing was measured.
GAP = 2.5


@dataclass(frozen=True)
class Window:
    """A span of a usage chart: how far back, how wide one mean is, and whether it is read from hourly means (steps of whole hours)."""

    key: str
    label: str
    span: timedelta
    step: timedelta
    hourly: bool = False

    def begins(self, now: datetime) -> datetime:
        """The beginning of its first step; the last one goes on at `now`."""
        return floor_to(now.astimezone(UTC), self.step) - self.step * (self.steps - 1)

    @property
    def steps(self) -> int:
        return int(self.span / self.step)

    @property
    def words(self) -> str:
        """ "last hour", "last 6 hours"."""
        return f"last {self.label.removeprefix('1 ')}"

    @property
    def step_label(self) -> str:
        minutes = int(self.step.total_seconds() // 60)
        count, unit = (minutes // 60, "hour") if minutes >= 60 else (minutes, "minute")
        return f"{count} {unit}" + ("s" if count > 1 else "")


# Samples are pruned after SAMPLE_DAYS, which may be one: what reaches further back is read from hours.
WINDOWS = {
    window.key: window
    for window in (
        Window("1h", "1 hour", timedelta(hours=1), timedelta(minutes=1)),
        Window("6h", "6 hours", timedelta(hours=6), timedelta(minutes=5)),
        Window("24h", "24 hours", timedelta(hours=24), timedelta(minutes=15)),
        Window("7d", "7 days", timedelta(days=7), timedelta(hours=1), hourly=True),
        Window("30d", "30 days", timedelta(days=30), timedelta(hours=4), hourly=True),
    )
}


@dataclass(frozen=True)
class Summary:
    """Of some samples: their sum, the lowest, the highest, and how many they are (never none)."""

    total: float
    low: float
    high: float
    count: int

    @property
    def mean(self) -> float:
        return self.total / self.count

    def joined(self, other: Summary | None) -> Summary:
        """Of both."""
        if other is None:
            return self
        return Summary(self.total + other.total, min(self.low, other.low), max(self.high, other.high), self.count + other.count)


@dataclass(frozen=True)
class Line:
    """One figure over a window, from one source: a summary for every step, None where nothing was measured.

    `whole` is of all its samples, not of the steps' means. `reach` is how many steps apart two neighbours may be to be joined.
    """

    source: str  # "" where nothing was measured
    steps: list[Summary | None]
    reach: int

    @property
    def whole(self) -> Summary | None:
        found = None
        for step in self.steps:
            found = step.joined(found) if step else found
        return found

    @property
    def means(self) -> list[float | None]:
        return [step.mean if step else None for step in self.steps]


@dataclass(frozen=True)
class Usage:
    """What a worker used over a window. `lines` has all of FIGURES; `samples` counts by source."""

    window: Window
    start: datetime
    lines: dict[str, Line]
    samples: dict[str, int]

    @property
    def times(self) -> list[datetime]:
        """The beginning of every step."""
        return [self.start + self.window.step * number for number in range(self.window.steps)]


def usage(worker: Worker, window: Window, *, now: datetime) -> Usage:
    """The worker's usage over `window`. One query, or two where hours are read and then the samples that are in none yet.

    A figure's line is CML's where it has any in the window, else CloudWatch's: the two measure differently and are not mixed.
    """
    start = window.begins(now)
    samples: dict[str, int] = defaultdict(int)
    found: dict[str, dict[str, dict[int, Summary]]] = defaultdict(lambda: defaultdict(dict))
    for row in _rows(worker, window, start, now):
        samples[row["source"]] += row["samples"]
        for name in FIGURES:
            if row[f"{name}_count"]:
                steps = found[name][row["source"]]
                summary = Summary(*(row[f"{name}_{part}"] for part in ("total", "low", "high", "count")))
                steps[row["step"]] = summary.joined(steps.get(row["step"]))
    return Usage(window, start, {name: _line(found[name], window) for name in FIGURES}, dict(samples))


def _rows(worker: Worker, window: Window, start: datetime, now: datetime) -> Iterable[dict[str, Any]]:
    raw = Sample.objects.filter(worker=worker, at__gte=start, at__lt=window.begins(now) + window.step * window.steps)
    if not window.hourly:
        return list(raw.by_step(start, window.step))
    hours = HourlySample.objects.filter(worker=worker, at__gte=start)
    # Of what is in no hour yet, the samples: before the first rollup these are all.
    rolled_to = Subquery(HistoryMark.objects.filter(pk=1).values("rolled_to"))
    rest = raw.filter(at__gte=Coalesce(rolled_to, Value(start), output_field=DateTimeField()))
    return [*hours.by_step(start, window.step), *rest.by_step(start, window.step)]


def _line(sources: dict[str, dict[int, Summary]], window: Window) -> Line:
    source = next((one for one in (UsageSource.CML, UsageSource.CLOUDWATCH) if sources.get(one)), None)
    if source is None:
        return Line("", [None] * window.steps, 1)
    return Line(source.value, [sources[source].get(step) for step in range(window.steps)], _reach(source, window))


def _reach(source: UsageSource, window: Window) -> int:
    interval = timedelta(seconds=runtime.value("CML_INTERVAL")) if source == UsageSource.CML else CLOUDWATCH_PERIOD
    return max(1, int(GAP * interval / window.step))
