"""The CPU of the last three hours for the rows of a table: one query, aggregated in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Avg, QuerySet

from workers.choices import UsageSource
from workers.models import Sample, Worker
from workers.models.steps import StepOf, floor_to

SPARKLINE_STEP = timedelta(minutes=5)
SPARKLINE_STEPS = 36

Line = list[float | None]


def attach_sparklines(workers: Iterable[Worker], *, now: datetime) -> list[Worker]:
    """Give each worker `cpu_recent`: 36 five-minute CPU means in percent, oldest first, None where nothing was measured. One query.

    A worker's line is CML's figures where it has any in the window, else CloudWatch's: the two measure differently and are not mixed.
    """
    rows = list(workers)
    start = floor_to(now, SPARKLINE_STEP) - SPARKLINE_STEP * (SPARKLINE_STEPS - 1)
    lines = _lines(rows, start)
    for worker in rows:
        sources = lines.get(worker.pk.hex, {})
        line = sources.get(UsageSource.CML) or sources.get(UsageSource.CLOUDWATCH) or [None] * SPARKLINE_STEPS
        worker.cpu_recent = line  # type: ignore[attr-defined]
    return rows


def _lines(rows: list[Worker], start: datetime) -> dict[str, dict[str, Line]]:
    """Worker (its id as hex digits) → source → line."""
    end = start + SPARKLINE_STEP * SPARKLINE_STEPS
    samples = Sample.objects.filter(worker__in=[row.pk for row in rows], at__gte=start, at__lt=end, cpu__isnull=False)
    steps = samples.order_by().annotate(step=StepOf("at", start=start, step=SPARKLINE_STEP))
    means = steps.values_list("worker_id", "source", "step").annotate(mean=Avg("cpu"))
    lines: dict[Any, dict[str, Line]] = defaultdict(lambda: defaultdict(lambda: [None] * SPARKLINE_STEPS))
    for worker, source, step, mean in _plain(means):
        lines[worker][source][step] = round(mean, 1)
    return {str(worker).replace("-", ""): sources for worker, sources in lines.items()}


def _plain(query: QuerySet[Sample, Any]) -> list[tuple[Any, ...]]:
    """The rows as the database's driver gives them: a page has 1,800, and Django's objects for them take longer than finding them."""
    try:
        sql, parameters = query.query.sql_with_params()
    except EmptyResultSet:
        return []  # a page without rows
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()
