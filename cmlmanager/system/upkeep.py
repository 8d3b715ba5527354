"""Runs are kept for JOB_RUN_DAYS, and of each job no more than MOST."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from cmlmanager.system.models import JobRun

MOST = 500
BATCH = 500  # rows a statement, so that other writers of SQLite get their turn


def prune(*, now: datetime) -> int:
    """Delete what is past its time or its number; returns how many runs went."""
    old = JobRun.objects.filter(asked_at__lt=now - timedelta(days=settings.JOB_RUN_DAYS))
    ids = list(old.values_list("pk", flat=True))
    for job in JobRun.objects.order_by().values_list("job", flat=True).distinct():
        ids += JobRun.objects.filter(job=job).order_by("-id").values_list("pk", flat=True)[MOST:]
    deleted = 0
    for start in range(0, len(ids), BATCH):
        deleted += JobRun.objects.filter(pk__in=ids[start : start + BATCH]).delete()[0]
    return deleted
