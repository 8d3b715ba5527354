"""Work leaves here, and only on commit. Only services call this."""

from __future__ import annotations

import logging
import uuid
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

REFRESH_REGION = "workers.refresh_region"
REFRESH_CML = "workers.refresh_cml"
EVALUATE_ALERTS = "workers.evaluate_alerts"
RUN_OPERATION = "workers.run_operation"


def _send(name: str, arguments: dict[str, str]) -> None:
    try:
        current_app.send_task(name, kwargs=arguments, expires=300)
    except (OperationalError, RedisError, OSError) as error:
        # What is due stays due in the database: beat's next tick finds it when the broker is back.
        logger.warning("%s could not be queued, beat will catch up: %s", name, error)


def refresh_region(*, region: str, account: str = "") -> None:
    """Ask for a refresh of what is due in `region` of `account`, after the current transaction."""
    transaction.on_commit(partial(_send, REFRESH_REGION, {"region": region} | ({"account": account} if account else {})))


def refresh_cml() -> None:
    """Ask for a refresh of the CML servers that are due, after the current transaction."""
    transaction.on_commit(partial(_send, REFRESH_CML, {}))


def evaluate_alerts() -> None:
    """Have the whole fleet judged, after the current transaction."""
    transaction.on_commit(partial(_send, EVALUATE_ALERTS, {}))


def run_operation(*, operation_id: uuid.UUID) -> None:
    """Have an operation gone on with, after the current transaction."""
    transaction.on_commit(partial(_send, RUN_OPERATION, {"operation_id": str(operation_id)}))
