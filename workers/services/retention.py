"""What is old goes."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from workers.models import Sample

BATCH = 5_000  # rows a statement, so that other writers of SQLite get their turn


def prune_samples(*, now: datetime) -> int:
    """Delete samples older than SAMPLE_DAYS; returns how many."""
    before = now - timedelta(days=settings.SAMPLE_DAYS)
    deleted = 0
    while ids := list(Sample.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:BATCH]):
        deleted += Sample.objects.filter(pk__in=ids).delete()[0]
    return deleted
