"""Workers and measurements for the tests of alerts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tests.makers import make_worker
from workers.models import Alert, Sample, Worker
from workers.services.alerts.evaluation import evaluate


def healthy(now: datetime, **overrides: Any) -> Worker:
    """Running for a day, read a moment ago by both, with nothing wrong."""
    moment = now - timedelta(seconds=20)
    fields: dict[str, Any] = {
        "machine_state_since": now - timedelta(days=1),
        "service_state_since": now - timedelta(days=1),
        "aws_checked_at": moment,
        "aws_succeeded_at": moment,
        "aws_due_at": now + timedelta(minutes=1),
        "cml_checked_at": moment,
        "cml_succeeded_at": moment,
        "cml_due_at": now + timedelta(minutes=5),
        "system_check": "ok",
        "instance_check": "ok",
    }
    return make_worker(**(fields | overrides))


def measured(worker: Worker, now: datetime, values: Iterable[float], *, source: str = "cml", figure: str = "cpu") -> None:
    """One sample every five minutes, the last one now."""
    values = list(values)
    for index, value in enumerate(values):
        at = now - timedelta(minutes=5) * (len(values) - 1 - index)
        Sample.objects.create(worker=worker, at=at, source=source, **{figure: value})


def alerts_of(worker: Worker) -> dict[str, str]:
    """Kind → severity of what is open."""
    return dict(Alert.objects.open().filter(worker=worker).values_list("kind", "severity"))


def judged(now: datetime, worker: Worker, **changes: Any) -> dict[str, str]:
    """What is open after the row was changed and the worker was judged."""
    if changes:
        Worker.objects.filter(pk=worker.pk).update(**changes)
    evaluate(worker_ids=[worker.pk], now=now)
    return alerts_of(worker)
