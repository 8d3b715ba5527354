"""Celery tasks: a name, a time limit, one service call."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from cmlmanager.system import checking, upkeep


@shared_task(name="system.check", soft_time_limit=50, time_limit=60)
def check(**kwargs: Any) -> int:
    """Run the health checks that are due."""
    return checking.tick(now=timezone.now())


@shared_task(name="system.run_check", soft_time_limit=50, time_limit=60)
def run_check(*, name: str, **kwargs: Any) -> None:
    """Run one check that talks to another machine."""
    checking.run_check(name=name, now=timezone.now())


@shared_task(name="system.prune_runs", soft_time_limit=120, time_limit=150)
def prune_runs(**kwargs: Any) -> int:
    """Delete runs of jobs that are past their time."""
    return upkeep.prune(now=timezone.now())
