"""A sign of life of Celery processes, as the time of a file: what a container's health check can ask without asking Redis."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from celery.signals import before_task_publish, heartbeat_sent

logger = logging.getLogger(__name__)


def start() -> bool:
    """Touch the file that ALIVE_FILE names with every sign of life; returns whether there is one to touch.

    A Celery worker beats every two seconds as long as its main loop turns. Beat hands over a task every second, also when Redis is away: then it
    fails to, which is Redis's illness and not beat's.
    """
    if not os.environ.get("ALIVE_FILE"):
        return False
    heartbeat_sent.connect(_touch, dispatch_uid="cmlmanager.alive.worker")
    before_task_publish.connect(_touch, dispatch_uid="cmlmanager.alive.beat")
    return True


def _touch(**kwargs: Any) -> None:
    try:
        Path(os.environ["ALIVE_FILE"]).touch()
    except OSError as error:
        # The work goes on; the health check will say that there is no sign of life, and this says why.
        logger.warning("ALIVE_FILE cannot be written: %s", error.strerror)
