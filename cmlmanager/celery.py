"""The Celery application. Tasks live in the apps' `tasks` modules, the timetable in the settings."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_ready

from cmlmanager import alive

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cmlmanager.settings")

app = Celery("cmlmanager")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
alive.start()


@setup_logging.connect
def keep_our_logging(**kwargs: Any) -> None:
    """Celery would replace the handlers that the settings configured."""


@worker_ready.connect
def reconcile(sender: Any, **kwargs: Any) -> None:
    """Whatever happened while nobody looked is found now, not at the next due time."""
    with sender.app.connection() as connection:
        sender.app.send_task("workers.reconcile", connection=connection, expires=300)
