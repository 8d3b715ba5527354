"""A worker's history as rows of a file, read a stretch of time at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from workers.models import HourlySample, Sample

# Figure → how its column is called. Units are in the names.
COLUMNS = {
    "cpu": "cpu_percent",
    "memory": "memory_percent",
    "disk": "disk_percent",
    "nodes": "nodes_running",
    "labs": "labs_running",
    "network_in": "network_in_bytes_per_second",
    "network_out": "network_out_bytes_per_second",
    "checks_failed": "status_checks_failed",
}
SAMPLE_HEADINGS = ("time", "source", *COLUMNS.values())
HOUR_HEADINGS = (
    "hour",
    "source",
    "readings",
    *(f"{column}_{part}" for column in COLUMNS.values() for part in ("mean", "lowest", "highest")),
)
_HOUR_FIELDS = tuple(f"{name}{part}" for name in COLUMNS for part in ("", "_low", "_high"))

Chunk = list[Sequence[Any]]


def sample_rows(worker_id: uuid.UUID, *, start: datetime, end: datetime) -> Iterator[Chunk]:
    """The samples of [start, end), oldest first, a day at a time: the time, the source and the figures of SAMPLE_HEADINGS."""
    samples = Sample.objects.filter(worker=worker_id).values_list("at", "source", *COLUMNS)
    for since, until in _stretches(start, end, timedelta(days=1)):
        yield list(samples.filter(at__gte=since, at__lt=until).order_by("at", "source"))


def hour_rows(worker_id: uuid.UUID, *, start: datetime, end: datetime) -> Iterator[Chunk]:
    """The hours that begin in [start, end), oldest first, a month at a time: as HOUR_HEADINGS says."""
    hours = HourlySample.objects.filter(worker=worker_id).values_list("at", "source", "count", *_HOUR_FIELDS)
    for since, until in _stretches(start, end, timedelta(days=30)):
        yield list(hours.filter(at__gte=since, at__lt=until).order_by("at", "source"))


def _stretches(start: datetime, end: datetime, span: timedelta) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + span, end)
        start += span
