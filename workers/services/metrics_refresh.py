"""CPU from CloudWatch: all running workers of a region in one question, 500 to a call."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from workers import events
from workers.choices import UsageSource
from workers.clients import aws
from workers.models import Sample, Worker, stale_after
from workers.services import due, record
from workers.services.alerts import evaluation
from workers.services.usage import significant

logger = logging.getLogger(__name__)

PERIOD = 300  # seconds: the finest that basic monitoring has
FIRST_LOOK = timedelta(hours=3)  # enough to fill the sparkline of a worker just met


def refresh_metrics(*, region: str, now: datetime) -> int:
    """Read CloudWatch for what is due in `region`; returns how many workers were asked for. An error changes nothing but the log."""
    ids = due.claim_region("metrics_due_at", region=region, interval=settings.METRICS_INTERVAL - settings.STATE_TICK, now=now)
    workers = list(Worker.objects.filter(pk__in=ids))
    if not workers:
        return 0
    known = [worker.metrics_succeeded_at for worker in workers]
    # CloudWatch delivers late: look two periods further back than the last success, and once hours back for a new worker.
    since = min(moment - timedelta(seconds=2 * PERIOD) if moment else now - FIRST_LOOK for moment in known)
    client = aws.client_for(region=region, endpoint_url=settings.AWS_ENDPOINT_URL)
    try:
        series = client.cpu_utilization(
            [w.instance_id for w in workers], since=max(since, now - FIRST_LOOK), until=now, period=PERIOD
        )
    except aws.AwsError as error:
        logger.warning("CloudWatch cannot be read in %s: %s (%s)", region, error.sentence, error.detail)
        return 0
    _store(workers, series, now=now)
    evaluation.evaluate(worker_ids=ids, now=now)
    return len(workers)


def _store(workers: list[Worker], series: dict[str, list[aws.Datapoint]], *, now: datetime) -> None:
    samples = [
        Sample(worker=worker, at=point.at, source=UsageSource.CLOUDWATCH, cpu=min(100.0, max(0.0, point.value)))
        for worker in workers
        for point in series.get(worker.instance_id, [])
        # A period that still runs has only a part of its mean: it is shown, but stored when it is complete.
        if point.at + timedelta(seconds=PERIOD) <= now
    ]
    changed: list[uuid.UUID] = []
    with transaction.atomic():
        Sample.objects.bulk_create(samples, ignore_conflicts=True, batch_size=500)
        Worker.objects.filter(pk__in=[worker.pk for worker in workers]).update(metrics_succeeded_at=now)
        for worker in workers:
            points = series.get(worker.instance_id, [])
            if points and _cloudwatch_speaks(worker, now):
                value = round(min(100.0, max(0.0, points[-1].value)), 1)
                if significant(worker.cpu, value) or worker.cpu_source != UsageSource.CLOUDWATCH:
                    record.apply(worker, {"cpu": value, "cpu_source": UsageSource.CLOUDWATCH.value}, actor=record.EC2, now=now)
                    changed.append(worker.pk)
        events.announce_workers(changed)


def _cloudwatch_speaks(worker: Worker, now: datetime) -> bool:
    """CML's own figure is finer and sees steal; CloudWatch's is shown only while CML's is missing or old."""
    if worker.cpu_source != UsageSource.CML or worker.cml_succeeded_at is None:
        return True
    return now - worker.cml_succeeded_at > stale_after(settings.CML_INTERVAL)
