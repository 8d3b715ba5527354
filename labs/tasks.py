"""Celery tasks: a name, a time limit, one service call. What is due is decided by the services, in the database."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from labs.services import refresh
from labs.services.versions import nightly, retention


@shared_task(name="labs.refresh_labs", soft_time_limit=240, time_limit=270)
def refresh_labs(**kwargs: Any) -> int:
    """One batch of workers whose labs are due."""
    return len(refresh.refresh_labs(now=timezone.now()))


@shared_task(name="labs.back_up_nightly", soft_time_limit=50, time_limit=60)
def back_up_nightly(**kwargs: Any) -> int:
    """Ask for the nightly backups that are due."""
    return nightly.tick(now=timezone.now())


@shared_task(name="labs.prune_versions", soft_time_limit=240, time_limit=270)
def prune_versions(**kwargs: Any) -> int:
    """Let go of versions past their time."""
    return retention.prune(now=timezone.now())
