"""Celery tasks: a name, a time limit, one service call. What is due is decided by the services, in the database."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from labs.services import refresh


@shared_task(name="labs.refresh_labs", soft_time_limit=240, time_limit=270)
def refresh_labs(**kwargs: Any) -> None:
    """One batch of workers whose labs are due."""
    refresh.refresh_labs(now=timezone.now())
