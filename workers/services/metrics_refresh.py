"""What CloudWatch measures: CPU, network and status checks of all running workers of a region in one go, 500 questions to a call."""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from cmlmanager import runtime
from workers import aws_accounts, events
from workers.choices import UsageSource
from workers.clients import aws
from workers.models import Sample, Worker, stale_after
from workers.services import due, places, record
from workers.services.alerts import evaluation
from workers.services.usage import significant, significant_rate

logger = logging.getLogger(__name__)

PERIOD = timedelta(seconds=300)  # the finest that basic monitoring has
FIRST_LOOK = timedelta(hours=3)  # enough to fill the sparkline of a worker just met; rollup.LATE is longer
FIGURES = ("cpu", "network_in", "network_out", "checks_failed")


def refresh_metrics(*, region: str, account: str = "", now: datetime) -> int:
    """Read CloudWatch for what is due in `region` of `account`; returns how many workers were asked for. An error changes nothing but the log."""
    interval = runtime.value("METRICS_INTERVAL") - settings.FLEET_TICK
    ids = due.claim_region("metrics_due_at", region=region, account=account, interval=interval, now=now)
    workers = list(Worker.objects.filter(pk__in=ids))
    if not workers:
        return 0
    known = [worker.metrics_succeeded_at for worker in workers]
    # CloudWatch delivers late: look two periods further back than the last success, and once hours back for a new worker.
    since = max(min(moment - 2 * PERIOD if moment else now - FIRST_LOOK for moment in known), now - FIRST_LOOK)
    try:
        client = places.client_of(region=region, account=account)
        asked = [worker.instance_id for worker in workers]
        found = client.measurements(asked, since=since, until=now, period=int(PERIOD.total_seconds()))
    except aws.AwsError as error:
        where = aws_accounts.in_words(account, region)
        logger.warning("CloudWatch cannot be read in %s: %s (%s)", where, error.sentence, error.detail)
        return 0
    with transaction.atomic():
        _keep_samples(workers, found, now=now)
        _mark(workers, found, now=now)
        events.announce_workers(worker.pk for worker in workers if _show(worker, found.get(worker.instance_id, []), now=now))
    evaluation.evaluate(worker_ids=ids, now=now)
    return len(workers)


def _ended(points: list[aws.Measurement], now: datetime) -> list[aws.Measurement]:
    """A period that still runs has only a part of its sum and of its mean: it is stored when it is complete."""
    return [point for point in points if point.at + PERIOD <= now]


def _keep_samples(workers: list[Worker], found: dict[str, list[aws.Measurement]], *, now: datetime) -> None:
    """Store what is new. A metric that came later than the others of its period completes the sample that is there."""
    points = {(w.pk, point.at): point for w in workers for point in _ended(found.get(w.instance_id, []), now)}
    if not points:
        return
    stored = _stored([worker.pk for worker in workers], min(at for _, at in points))
    fresh = []
    for key, point in points.items():
        figures = {"cpu": _bounded(point.cpu), "network_in": point.network_in, "network_out": point.network_out}
        figures["checks_failed"] = None if point.checks_failed is None else int(point.checks_failed > 0)
        there = stored.get(key, {})
        merged = {name: there.get(name) if value is None else value for name, value in figures.items()}
        if merged != there:
            fresh.append(Sample(worker_id=key[0], at=key[1], source=UsageSource.CLOUDWATCH, **merged))
    Sample.objects.bulk_create(
        fresh, update_conflicts=True, unique_fields=["worker", "at", "source"], update_fields=FIGURES, batch_size=500
    )


def _stored(workers: list[uuid.UUID], since: datetime) -> dict[tuple[uuid.UUID, datetime], dict[str, Any]]:
    """CloudWatch's samples of these workers from `since` on, by worker and time."""
    samples = Sample.objects.filter(worker__in=workers, at__gte=since, source=UsageSource.CLOUDWATCH)
    return {
        (worker, at): dict(zip(FIGURES, values, strict=True))
        for worker, at, *values in samples.values_list("worker_id", "at", *FIGURES)
    }


def _mark(workers: list[Worker], found: dict[str, list[aws.Measurement]], *, now: datetime) -> None:
    """Note when CloudWatch answered, and until when its newest figures reach: a statement for each such time, there are few."""
    reaches: dict[datetime | None, list[uuid.UUID]] = defaultdict(list)
    for worker in workers:
        ended = _ended(found.get(worker.instance_id, []), now)
        reaches[ended[-1].at + PERIOD if ended else worker.metrics_at].append(worker.pk)
    for at, ids in reaches.items():
        Worker.objects.filter(pk__in=ids).update(metrics_succeeded_at=now, metrics_at=at)


def _show(worker: Worker, points: list[aws.Measurement], *, now: datetime) -> bool:
    """Write what has moved; returns whether open pages should hear of it.

    Traffic is never still and is shown in no table: the worker's page sees it when it reads itself again, within a minute.
    """
    changes: dict[str, Any] = {}
    for name in ("network_in", "network_out"):
        rate = _newest(_ended(points, now), name)
        if rate is not None and significant_rate(getattr(worker, name), rate):
            changes[name] = round(rate)
    failed = _newest(_ended(points, now), "checks_failed")
    if failed is not None and worker.checks_failed != int(failed > 0):
        changes["checks_failed"] = int(failed > 0)
    cpu = _newest(points, "cpu")
    if cpu is not None and _cloudwatch_speaks(worker, now):
        value = round(min(100.0, max(0.0, cpu)), 1)
        if significant(worker.cpu, value) or worker.cpu_source != UsageSource.CLOUDWATCH:
            changes |= {"cpu": value, "cpu_source": UsageSource.CLOUDWATCH.value}
    if record.apply(worker, dict(changes), actor=record.EC2, now=now) is None:
        return False
    return bool({"cpu", "checks_failed"} & changes.keys())


def _newest(points: list[aws.Measurement], name: str) -> float | None:
    return next((value for point in reversed(points) if (value := getattr(point, name)) is not None), None)


def _bounded(value: float | None) -> float | None:
    return None if value is None else min(100.0, max(0.0, value))


def _cloudwatch_speaks(worker: Worker, now: datetime) -> bool:
    """CML's own figure is finer and sees steal; CloudWatch's is shown only while CML's is missing or old."""
    if worker.cpu is None or worker.cpu_source != UsageSource.CML or worker.cml_succeeded_at is None:
        return True
    return now - worker.cml_succeeded_at > stale_after(runtime.value("CML_INTERVAL"))
