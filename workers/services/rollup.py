"""Samples become means of hours: set-based, an hour a transaction, as often as one likes.

How nothing is lost and nothing counted twice: an hour's means are always made of all its samples and replace what was there, so repeating
is harmless. The mark `rolled_to` moves with them. Samples that came late are found because each run begins LATE before the mark. Before
samples go, the retention makes their hour's means once more and closes the hour (`pruned_to`); a closed hour is never made again.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Min

from workers.models import FIGURES, HistoryMark, HourlySample, Sample

HOUR = timedelta(hours=1)
# How old a sample may be when it is stored. CloudWatch is asked three hours back (metrics_refresh.FIRST_LOOK).
LATE = timedelta(hours=4)
MOST_HOURS = 200  # a run: what is left is the next one's
# SQLite has one writer at a time, and those who wait for it look again only now and then: let them in between two transactions.
PAUSE = 0.05  # seconds


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def roll_up_samples(*, now: datetime) -> int:
    """Make the means of the hours that have ended, up to MOST_HOURS; returns how many hours were made.

    Once an hour there is something to do; after days without, it goes on where it stopped, hour by hour.
    """
    end = hour_of(now)
    rolled_to = HistoryMark.objects.filter(pk=1).values_list("rolled_to", flat=True).first()
    if rolled_to and rolled_to >= end:
        return 0
    cursor = rolled_to - LATE if rolled_to else datetime.min.replace(tzinfo=UTC)
    for made in range(MOST_HOURS):
        following = _roll_next(cursor, end)
        if following is None:
            return made
        cursor = following
        give_way()
    return MOST_HOURS


def _roll_next(cursor: datetime, end: datetime) -> datetime | None:
    """Make the first hour from `cursor` on that has samples; returns where to go on, or None when `end` is reached."""
    with transaction.atomic():
        mark = locked_mark()
        if mark.pruned_to:
            cursor = max(cursor, mark.pruned_to)
        hour = first_hour(cursor, end)
        if hour is not None:
            roll(hour)
        # Somebody else may have been here meanwhile, and further on.
        reached = hour + HOUR if hour is not None else end
        if mark.rolled_to is None or mark.rolled_to < reached:
            HistoryMark.objects.filter(pk=mark.pk).update(rolled_to=reached)
    return reached if hour is not None else None


def locked_mark() -> HistoryMark:
    """The mark, held until the transaction ends. On SQLite the transaction itself holds the only write lock."""
    mark, _ = HistoryMark.objects.select_for_update().get_or_create(pk=1)
    return mark


def first_hour(start: datetime, end: datetime) -> datetime | None:
    """The first hour in [start, end) that has samples."""
    at = Sample.objects.filter(at__gte=start, at__lt=end).aggregate(first=Min("at"))["first"]
    return hour_of(at) if at else None


def give_way() -> None:
    """Let other writers in. PostgreSQL has as many as it likes."""
    if connection.vendor == "sqlite":
        time.sleep(PAUSE)


def roll(hour: datetime) -> None:
    """Make the means of one hour for all workers, anew. One statement; to be called while the mark is held."""
    start, end = (connection.ops.adapt_datetimefield_value(moment) for moment in (hour, hour + HOUR))
    with connection.cursor() as cursor:
        cursor.execute(_statement(), [start, start, end])


def _statement() -> str:
    # The names are the models' own; nothing in it comes from outside.
    columns, values = ["count"], ["COUNT(*)"]
    for name in FIGURES:
        columns += [name, f"{name}_low", f"{name}_high", f"{name}_count"]
        values += [f"AVG({name})", f"MIN({name})", f"MAX({name})", f"COUNT({name})"]
    quoted = [connection.ops.quote_name(column) for column in columns]
    source, target = (connection.ops.quote_name(model._meta.db_table) for model in (Sample, HourlySample))
    return (
        f"INSERT INTO {target} (worker_id, at, source, {', '.join(quoted)}) "  # noqa: S608
        f"SELECT worker_id, %s, source, {', '.join(values)} FROM {source} WHERE at >= %s AND at < %s GROUP BY worker_id, source "
        f"ON CONFLICT (worker_id, at, source) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in quoted)}"
    )
