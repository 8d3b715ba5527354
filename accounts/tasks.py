"""Celery tasks of accounts: a name, a time limit, one service call."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from accounts.services import sessions, tokens


@shared_task(name="accounts.prune_sessions", soft_time_limit=120, time_limit=150)
def prune_sessions(**kwargs: Any) -> None:
    """Forget sessions that are over, and tokens that have long been good for nothing."""
    sessions.prune(now=timezone.now())
    tokens.prune(now=timezone.now())
