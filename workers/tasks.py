"""Celery tasks: a name, a time limit, one service call. What is due is decided by the services, in the database.

What a job's task returns, how many things it did, is shown with its run.
"""

from __future__ import annotations

import uuid
from typing import Any

from celery import shared_task
from django.utils import timezone

from workers.services import cml_refresh, discovery, fleet_refresh, metrics_refresh, pulse, reconcile, retention, rollup
from workers.services.alerts import evaluation
from workers.services.licenses import tokens
from workers.services.notifications import sending, upkeep
from workers.services.operations import engine, sweep


@shared_task(name="workers.refresh_fleet", soft_time_limit=20, time_limit=30)
def refresh_fleet(**kwargs: Any) -> int:
    """Beat's tick: queue the regions in which something is due."""
    return fleet_refresh.tick(now=timezone.now())


@shared_task(name="workers.refresh_region", soft_time_limit=240, time_limit=270)
def refresh_region(*, region: str, account: str = "", **kwargs: Any) -> None:
    """One look at a region of an account."""
    fleet_refresh.refresh_region(region=region, account=account, now=timezone.now())
    metrics_refresh.refresh_metrics(region=region, account=account, now=timezone.now())


@shared_task(name="workers.refresh_cml", soft_time_limit=240, time_limit=270)
def refresh_cml(**kwargs: Any) -> int:
    """One batch of CML servers that are due."""
    return cml_refresh.refresh_cml(now=timezone.now())


@shared_task(name="workers.run_operation", soft_time_limit=150, time_limit=170)
def run_operation(*, operation_id: str, **kwargs: Any) -> None:
    """Go on with one operation."""
    engine.run(operation_id=uuid.UUID(operation_id), now=timezone.now())


@shared_task(name="workers.sweep_operations", soft_time_limit=20, time_limit=30)
def sweep_operations(**kwargs: Any) -> int:
    """Queue what is due and in nobody's hands."""
    return sweep.sweep(now=timezone.now())


@shared_task(name="workers.sweep_license_tokens", soft_time_limit=20, time_limit=30)
def sweep_license_tokens(**kwargs: Any) -> int:
    """Delete registration tokens that nobody needs any more."""
    return tokens.sweep(now=timezone.now())


@shared_task(name="workers.reconcile", soft_time_limit=60, time_limit=90)
def reconcile_fleet(**kwargs: Any) -> None:
    """Read everything again: sent when a Celery worker has started."""
    reconcile.everything_is_due(now=timezone.now())


@shared_task(name="workers.evaluate_alerts", soft_time_limit=60, time_limit=90)
def evaluate_alerts(**kwargs: Any) -> int:
    """Judge the whole fleet."""
    return evaluation.evaluate(now=timezone.now())


@shared_task(name="workers.tick_alerts", soft_time_limit=120, time_limit=150)
def tick_alerts(**kwargs: Any) -> int:
    """Beat's tick: judge the whole fleet when its time has come."""
    return evaluation.tick(now=timezone.now())


@shared_task(name="workers.discover", soft_time_limit=240, time_limit=270)
def discover(**kwargs: Any) -> int:
    """Import what matches, in the regions whose time has come."""
    return discovery.tick(now=timezone.now())


@shared_task(name="workers.heartbeat", soft_time_limit=5, time_limit=10)
def heartbeat(**kwargs: Any) -> None:
    """One heartbeat to every open page."""
    pulse.beat(now=timezone.now())


@shared_task(name="workers.roll_up_samples", soft_time_limit=600, time_limit=660)
def roll_up_samples(**kwargs: Any) -> int:
    """Make the hourly means of the hours that have ended."""
    return rollup.roll_up_samples(now=timezone.now())


@shared_task(name="workers.prune_samples", soft_time_limit=600, time_limit=660)
def prune_samples(**kwargs: Any) -> int:
    """Delete samples and closed alerts that are past their time."""
    return retention.prune(now=timezone.now())


@shared_task(name="workers.send_notifications", soft_time_limit=60, time_limit=90)
def send_notifications(**kwargs: Any) -> int:
    """Send the notices that are due."""
    return sending.send_due(now=timezone.now())


@shared_task(name="workers.prune_deliveries", soft_time_limit=600, time_limit=660)
def prune_deliveries(**kwargs: Any) -> int:
    """Delete deliveries that are past their time."""
    return upkeep.prune(now=timezone.now())
