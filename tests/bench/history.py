"""A month of 1,000 workers: charts, sparklines, the rollup and the pruning, with the database's plans, beside raw rows only."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.conf import settings
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.bench.fleet import make_fleet
from tests.bench.month import ROWS_A_WORKER_AND_DAY, fill_hours, fill_samples, megabytes
from tests.bench.report import Goal, Line
from tests.bench.run import Run
from tests.bench.timing import median, seconds_of
from workers.choices import UsageSource
from workers.history import WINDOWS, Usage, usage
from workers.models import HistoryMark, HourlySample, Sample, Worker
from workers.models.steps import floor_to
from workers.services import retention, rollup
from workers.services.retention import prune_samples
from workers.services.rollup import hour_of, roll, roll_up_samples
from workers.sparklines import SPARKLINE_STEP, SPARKLINE_STEPS, attach_sparklines

DAYS, RAW_DAYS = 30, 7
PLAIN = 20  # workers that have all of their month as raw rows: what the plain version reads
ROWS = 50  # of a page
LOOKS = 20


def measure(run: Run) -> list[Line]:
    """Fill, roll up, read, prune; every number on the same file."""
    count, now = run.size(1_000), hour_of(timezone.now()) + timedelta(minutes=50)
    make_fleet(count, now=now)
    first = hour_of(now - timedelta(days=DAYS))
    fresh = hour_of(now - timedelta(days=RAW_DAYS))
    samples = fill_samples(since=fresh, until=now)
    raw_size = megabytes()
    fill_hours(since=first, until=fresh)
    HistoryMark.objects.create(pk=1, rolled_to=fresh)
    waits: list[float] = []
    with _another_writer(waits):
        caught_up = seconds_of(lambda: roll_up_samples(now=now))
    size = megabytes()
    plain = list(Worker.objects.order_by("pk")[:PLAIN])
    fill_samples(since=first, until=fresh, workers=[worker.pk for worker in plain])
    hours = HourlySample.objects.count()
    lines = [*_charts(plain, now), *_sparkline(now), *_upkeep(now)]
    week = f"{count:,} workers, {samples:,} samples of {RAW_DAYS} days, {hours:,} hours of {DAYS}"
    a_raw_row = raw_size / samples
    return [
        *lines,
        Line(
            key="history.catch_up",
            what=f"rollup of {RAW_DAYS} days at once, {RAW_DAYS * 24 + 4} hours one after another",
            value=caught_up,
            unit="s",
            note=f"{week}; with {rollup.PAUSE * 1000:.0f} ms for other writers after each hour",
        ),
        Line(
            key="history.writer_wait",
            what="another writer's longest wait meanwhile",
            value=max(waits) * 1000,
            unit="ms",
            goal=Goal(kind="at most", limit=5_000),
            note=f"of {len(waits):,} small writes of a second connection; SQLite gives up after 20 s",
        ),
        Line(
            key="history.size",
            what=f"the database file with {DAYS} days",
            value=size,
            unit="MB",
            plain=a_raw_row * count * ROWS_A_WORKER_AND_DAY * DAYS,
            note=f"{week}. Plain version: {DAYS} days of samples, from the size of those that are there",
        ),
    ]


# ── Charts ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _charts(plain: list[Worker], now: datetime) -> list[Line]:
    lines = []
    for key in ("24h", "7d", "30d"):
        window = WINDOWS[key]
        ours = _times(lambda worker, window=window: usage(worker, window, now=now), plain)
        raw = _times(lambda worker, window=window: _raw_usage(worker, window.key, now), plain)
        plans = _plans(lambda window=window: usage(plain[0], window, now=now))
        lines.append(
            Line(
                key=f"history.chart_{key}",
                what=f"figures of a chart of {window.label}, time of one core, p50",
                value=median(ours),
                unit="ms",
                plain=median(raw) if window.hourly else None,
                goal=Goal(kind="at most", limit=100),
                note=f"{len(ours)} looks at {len(plain)} workers. {'Plain version: the same steps from raw rows. ' if window.hourly else ''}{plans}",
            )
        )
    return lines


def _raw_usage(worker: Worker, key: str, now: datetime) -> list[dict[str, Any]]:
    window = WINDOWS[key]
    start = window.begins(now)
    return list(Sample.objects.filter(worker=worker, at__gte=start).by_step(start, window.step))


def _times(look: Callable[[Worker], Usage | list[Any]], workers: list[Worker]) -> list[float]:
    look(workers[0])
    return [_core_ms(lambda worker=worker: look(worker)) for worker in workers * 3]


def _core_ms(work: Callable[[], object]) -> float:
    """Milliseconds of a core that `work` takes, SQLite's part included: what else the machine does is not in them."""
    started = time.thread_time()
    work()
    return (time.thread_time() - started) * 1000


# ── Sparklines ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _sparkline(now: datetime) -> Iterator[Line]:
    rows = list(Worker.objects.order_by("name")[:ROWS])
    ours = [_core_ms(lambda: attach_sparklines(rows, now=now)) for _ in range(LOOKS)]
    drawn = [worker.cpu_recent for worker in rows]  # type: ignore[attr-defined]
    plain = [_core_ms(lambda: _in_python(rows, now)) for _ in range(LOOKS)]
    if drawn != _in_python(rows, now):
        raise RuntimeError("The two versions draw different lines.")
    plans = _plans(lambda: attach_sparklines(rows, now=now))
    yield Line(
        key="history.sparklines",
        what=f"sparklines of a page of {ROWS} rows, time of one core, p50",
        value=median(ours),
        unit="ms",
        plain=median(plain),
        goal=Goal(kind="at most", limit=30),
        note=f"samples of both sources. Plain version: the samples read into Python and put together there. {plans}",
    )


def _in_python(rows: list[Worker], now: datetime) -> list[list[float | None]]:
    start = floor_to(now, SPARKLINE_STEP) - SPARKLINE_STEP * (SPARKLINE_STEPS - 1)
    found: dict[Any, dict[str, dict[int, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    samples = Sample.objects.since([worker.pk for worker in rows], start).filter(cpu__isnull=False)
    for worker_id, at, source, cpu in samples.values_list("worker_id", "at", "source", "cpu"):
        step = int((at - start) / SPARKLINE_STEP)
        if cpu is not None and step < SPARKLINE_STEPS:
            found[worker_id][source][step].append(cpu)
    lines = []
    for worker in rows:
        steps = found[worker.pk].get(UsageSource.CML) or found[worker.pk].get(UsageSource.CLOUDWATCH) or {}
        lines.append([round(sum(steps[n]) / len(steps[n]), 1) if n in steps else None for n in range(SPARKLINE_STEPS)])
    return lines


# ── Rollup and pruning ─────────────────────────────────────────────────────────────────────────────────────────────
def _upkeep(now: datetime) -> Iterator[Line]:
    hour = hour_of(now) - timedelta(hours=5)
    rolls = [seconds_of(lambda: roll(hour)) * 1000 for _ in range(5)]
    plan = _plans(lambda: roll(hour))
    yield Line(
        key="history.rollup",
        what="the means of one hour of all workers",
        value=median(rolls),
        unit="ms",
        goal=Goal(kind="at most", limit=2_000),
        note=f"one statement, once an hour, and again for the four hours before. {plan}",
    )
    settings.SAMPLE_DAYS = RAW_DAYS
    # The plain version's rows first, then the hour that an ordinary run has to do.
    with patch.object(rollup, "PAUSE", 0):
        while prune_samples(now=now):
            pass
        deleted: list[int] = []
        took = seconds_of(lambda: deleted.append(prune_samples(now=now + timedelta(hours=1))))
    batches = -(-deleted[0] // retention.BATCH)
    plan = _plans(lambda: prune_samples(now=now + timedelta(hours=2)))
    yield Line(
        key="history.prune",
        what=f"pruning of one hour, {deleted[0]:,} samples",
        value=took * 1000,
        unit="ms",
        goal=Goal(kind="at most", limit=10_000),
        note=f"its means once more, then {batches} batches, each a transaction. {plan}",
    )
    yield Line(
        key="history.scans",
        what="tables of samples or hours read whole by any of these",
        value=sum(_scans),
        goal=Goal(kind="at most", limit=0),
        note="counted in the plans above",
    )


_scans: list[int] = []


def _plans(work: Callable[[], object]) -> str:
    """The plans of the statements about samples and hours that `work` makes, and their full scans counted."""
    with CaptureQueriesContext(connection) as captured:
        work()
    found: dict[str, None] = {}
    for query in captured.captured_queries:
        sql = query["sql"]
        if "sample" in sql and sql.startswith(("SELECT", 'INSERT INTO "workers_hourlysample" (worker_id', "DELETE")):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}".replace("%", "%%"), [])
                steps = [row[3] for row in cursor.fetchall()]
            _scans.append(sum(step.startswith("SCAN workers_") and "USING" not in step for step in steps))
            found[" · ".join(step for step in steps if "workers_" in step)] = None
    return "Plan: " + "; ".join(plan for plan in found if plan) + "."


# ── Somebody else who writes ───────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def _another_writer(waits: list[float]) -> Iterator[None]:
    """Small writes of another connection all the while; how long each took, in seconds."""
    done = threading.Event()
    worker = Worker.objects.values_list("pk", flat=True)[0]

    def write() -> None:
        while not done.wait(0.02):
            started = time.perf_counter()
            Worker.objects.filter(pk=worker).update(metrics_at=timezone.now())
            waits.append(time.perf_counter() - started)
        connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
