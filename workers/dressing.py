"""What rows and panels show beside the worker's own fields, attached in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from workers.models import Alert, Operation, Worker
from workers.sparklines import attach_sparklines


def dressed(workers: Iterable[Worker], *, now: datetime) -> list[Worker]:
    """The workers with `cpu_recent` (see sparklines), `in_flight`: the operation going on, or None, and `alert_mark`: its open alerts in
    short, or None. Three queries."""
    rows = attach_sparklines(workers, now=now)
    operations = Operation.objects.by_worker(worker.pk for worker in rows)
    marks = Alert.objects.marks(worker.pk for worker in rows)
    for worker in rows:
        worker.in_flight = operations.get(worker.pk)  # type: ignore[attr-defined]
        worker.alert_mark = marks.get(worker.pk)  # type: ignore[attr-defined]
    return rows
