"""What is old goes: samples after SAMPLE_DAYS, leaving their hourly means, those after SAMPLE_HOURLY_DAYS, closed alerts after ALERT_DAYS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

from cmlmanager import runtime
from workers.models import Alert, HistoryMark, HourlySample, Sample
from workers.services.rollup import HOUR, MOST_HOURS, first_hour, give_way, hour_of, locked_mark, roll

BATCH = 5_000  # rows a statement, so that other writers of SQLite get their turn

Row = TypeVar("Row", bound=Model)


def prune(*, now: datetime) -> int:
    """Delete all that is past its time; returns how many rows."""
    return prune_samples(now=now) + prune_alerts(now=now)


def prune_alerts(*, now: datetime) -> int:
    """Delete alerts that closed more than ALERT_DAYS days ago; their lines in the audit stay. Returns how many."""
    before = now - timedelta(days=runtime.value("ALERT_DAYS"))
    return _delete(Alert.objects.filter(closed_at__lt=before), "closed_at")


def prune_samples(*, now: datetime) -> int:
    """Delete what is past its time; returns how many rows. At most MOST_HOURS hours of samples a run."""
    before = hour_of(now - timedelta(days=runtime.value("SAMPLE_DAYS")))
    closed = None
    for _ in range(MOST_HOURS):
        closed = _close_next(before)
        if closed is None:
            break
        give_way()
    mark = HistoryMark.objects.filter(pk=1).first()
    deleted = _delete(Sample.objects.filter(at__lt=mark.pruned_to)) if mark and mark.pruned_to else 0
    hours = HourlySample.objects.filter(at__lt=hour_of(now - timedelta(days=runtime.value("SAMPLE_HOURLY_DAYS"))))
    return deleted + _delete(hours)


def _close_next(before: datetime) -> datetime | None:
    """Make the means of the oldest hour that is not closed, and close it: only then may its samples go. None when there is none."""
    with transaction.atomic():
        mark = locked_mark()
        hour = first_hour(mark.pruned_to or datetime.min.replace(tzinfo=UTC), before)
        if hour is not None:
            roll(hour)
            # Every hour before this one was made, too: it was the oldest with samples.
            rolled_to = max(mark.rolled_to or hour + HOUR, hour + HOUR)
            HistoryMark.objects.filter(pk=mark.pk).update(pruned_to=hour + HOUR, rolled_to=rolled_to)
    return hour


def _delete(old: QuerySet[Row], by: str = "at") -> int:
    """Delete the rows, oldest first, BATCH at a time, each batch a transaction of its own; returns how many."""
    deleted = 0
    while gone := old.model._default_manager.filter(pk__in=old.order_by(by).values("pk")[:BATCH]).delete()[1]:
        deleted += gone[old.model._meta.label]
        give_way()
    return deleted
