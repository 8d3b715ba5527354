"""Weeks of samples and hours, made by the database in seconds."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from workers.models import FIGURES

STEP = timedelta(minutes=5)  # what CML is read at, and CloudWatch's period
ROWS_A_WORKER_AND_DAY = 2 * 24 * 12
_CML = ("cpu", "memory", "disk", "nodes", "labs")
_CLOUDWATCH = ("cpu", "network_in", "network_out", "checks_failed")
_SOURCES = {"cml": _CML, "cloudwatch": _CLOUDWATCH}


def fill_samples(*, since: datetime, until: datetime, workers: Sequence[uuid.UUID] = ()) -> int:
    """A sample of both sources every STEP of [since, until) of these workers, or of all; in the order of time. Returns how many."""
    return sum(_fill("workers_sample", source, figures, since, until, STEP, workers) for source, figures in _SOURCES.items())


def fill_hours(*, since: datetime, until: datetime) -> int:
    """An hour of both sources for every hour of [since, until) of all workers. Returns how many."""
    made = 0
    for source, figures in _SOURCES.items():
        columns = {"count": "12"}
        for name in FIGURES:
            there = name in figures
            for part in ("", "_low", "_high"):
                columns[f"{name}{part}"] = _value(name) if there else "NULL"
            columns[f"{name}_count"] = "12" if there else "0"
        made += _insert("workers_hourlysample", source, columns, since, until, timedelta(hours=1), ())
    return made


def _fill(
    table: str,
    source: str,
    figures: Sequence[str],
    since: datetime,
    until: datetime,
    step: timedelta,
    workers: Sequence[uuid.UUID],
) -> int:
    return _insert(table, source, {name: _value(name) for name in figures}, since, until, step, workers)


def _value(name: str) -> str:
    return {"network_in": "abs(random()) % 1000000", "network_out": "abs(random()) % 1000000", "checks_failed": "0"}.get(
        name, "abs(random()) % 10000 / 100.0" if name in ("cpu", "memory", "disk") else "abs(random()) % 90"
    )


def _insert(
    table: str,
    source: str,
    columns: dict[str, str],
    since: datetime,
    until: datetime,
    step: timedelta,
    workers: Sequence[uuid.UUID],
) -> int:
    count, seconds = (until - since) // step, int(step.total_seconds())
    chosen = f"WHERE id IN ({', '.join(repr(worker.hex) for worker in workers)})" if workers else ""
    names, values = ", ".join(f'"{name}"' for name in columns), ", ".join(columns.values())
    statement = (
        f"INSERT INTO {table} (worker_id, at, source, {names}) "
        f"WITH RECURSIVE step(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM step WHERE n + 1 < {count}) "
        f"SELECT w.id, strftime('%Y-%m-%d %H:%M:%S', {int(since.timestamp())} + n * {seconds}, 'unixepoch'), '{source}', {values} "
        f"FROM step CROSS JOIN (SELECT id FROM workers_worker {chosen}) w"
    )
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA cache_size=-600000")
        cursor.execute(statement)
        made = cursor.rowcount
        cursor.execute("PRAGMA cache_size=-32000")
    return int(made)


def megabytes() -> float:
    """The size of the database's pages that are in use."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (page_count - freelist_count) * page_size / 1e6 FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        return float(cursor.fetchone()[0])
