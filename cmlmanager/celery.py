"""The Celery application. Tasks live in the apps' `tasks` modules, the timetable in the settings."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery
from celery.signals import (
    beat_embedded_init,
    beat_init,
    before_task_publish,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)

from cmlmanager import alive

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cmlmanager.settings")

# Every task is of this class: those of the timetable are jobs, which are counted, kept, and may be paused.
app = Celery("cmlmanager", task_cls="cmlmanager.system.task:JobTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
alive.start()


@setup_logging.connect
def keep_our_logging(**kwargs: Any) -> None:
    """Celery would replace the handlers that the settings configured."""


@before_task_publish.connect
def stamp(headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Every message says when it was sent: the age of the oldest that waits, and the due time of a job's run."""
    if headers is not None:
        headers.setdefault("cmlmanager_sent", time.time())


@worker_ready.connect
def reconcile(sender: Any, **kwargs: Any) -> None:
    """Whatever happened while nobody looked is found now, not at the next due time."""
    with sender.app.connection() as connection:
        sender.app.send_task("workers.reconcile", connection=connection, expires=300)


# The rows that say that a process lives; imported inside, because this module is loaded before Django's models can be.
@worker_ready.connect
def worker_lives(sender: Any, **kwargs: Any) -> None:
    from cmlmanager.system import heartbeat

    heartbeat.begin_worker(sender)


@beat_init.connect
@beat_embedded_init.connect
def beat_lives(**kwargs: Any) -> None:
    import atexit

    from cmlmanager.system import heartbeat

    heartbeat.begin_beat()
    before_task_publish.connect(lambda **kwargs: heartbeat.ticked(), weak=False)
    atexit.register(heartbeat.end)


@worker_shutdown.connect
def worker_leaves(**kwargs: Any) -> None:
    from cmlmanager.system import heartbeat

    heartbeat.end()


@worker_process_init.connect
def child_begins(**kwargs: Any) -> None:
    from cmlmanager.system import tally

    tally.forget()


@worker_process_shutdown.connect
def child_ends(**kwargs: Any) -> None:
    """What it counted and did not write yet."""
    from cmlmanager.system import tally

    tally.flush()
