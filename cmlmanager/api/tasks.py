"""What the API has done by the clock."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from cmlmanager.api import idempotency

logger = logging.getLogger(__name__)


@shared_task(name="api.prune_answers")
def prune_answers() -> None:
    """Forget answers whose idempotency keys are no longer kept."""
    count = idempotency.prune(now=timezone.now())
    if count:
        logger.info("Forgot %d answers of the API whose time is over.", count)
