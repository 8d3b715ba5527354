"""Celery workers and beats say that they live: a row each, written every ten seconds by a thread of their own.

Nobody asks them: a broadcast inside a request waits for whoever does not answer, and says nothing while Redis is away. The row is in
the database, so the page tells the truth then, too.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, connections
from django.utils import timezone

from cmlmanager.system import checking
from cmlmanager.system.choices import ProcessKind
from cmlmanager.system.models import Process

logger = logging.getLogger(__name__)

EVERY = 10.0  # seconds
MOST_RUNNING = 50  # tasks told of one worker


class Pulse:
    """Writes a process's row until it is stopped. `facts` is asked each time."""

    def __init__(self, *, name: str, kind: ProcessKind, facts: Callable[[], dict[str, Any]]) -> None:
        self._row: dict[str, Any] = {"name": name[:128], "kind": kind, "started_at": timezone.now()}
        self._facts = facts
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; the first row is written at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, and take the row away: who leaves in order is not missed."""
        self._end.set()
        self._thread.join(timeout=5)
        try:
            Process.objects.filter(pk=self._row["name"]).delete()
        except DatabaseError as error:
            logger.warning("The row of a process that ends stays: %s", error)
        finally:
            connections.close_all()

    def _run(self) -> None:
        while True:
            self.beat(now=timezone.now())
            self.guard(now=timezone.now())
            if self._end.wait(EVERY):
                return

    def beat(self, *, now: datetime) -> None:
        """Write the row once. Never raises."""
        fields = {**self._row, "seen_at": now}
        try:
            fields["facts"] = self._facts()
            Process.objects.update_or_create(name=fields.pop("name"), defaults=fields)
        except DatabaseError as error:
            logger.warning("This process could not say that it lives: %s", error)
        except Exception:
            logger.exception("This process could not say that it lives.")
        finally:
            # Not kept: the process forks its children, and a connection that two processes hold ends for both.
            connections.close_all()

    def guard(self, *, now: datetime) -> None:
        """Run the checks that no job has run when they were due. Never raises."""
        try:
            checking.guard(now=now)
        except DatabaseError as error:
            logger.warning("Overdue checks could not be run: %s", error)
        except Exception:
            logger.exception("Overdue checks could not be run.")
        finally:
            connections.close_all()


_pulse: Pulse | None = None
_ticked_at: datetime | None = None


def begin_worker(consumer: Any) -> None:
    """Of a Celery worker, when it is ready."""
    from celery.worker import state

    def facts() -> dict[str, Any]:
        running = [
            {"task": request.name, "since": datetime.fromtimestamp(request.time_start, tz=UTC).isoformat()}
            for request in list(state.active_requests)[:MOST_RUNNING]
            if request.time_start
        ]
        concurrency = getattr(getattr(consumer, "pool", None), "num_processes", None)
        return {"concurrency": concurrency, "running": running, "done": sum(state.total_count.values())}

    _begin(Pulse(name=consumer.hostname, kind=ProcessKind.WORKER, facts=facts))


def begin_beat() -> None:
    """Of a beat, before its first tick."""

    def facts() -> dict[str, Any]:
        return {"ticked_at": _ticked_at.isoformat() if _ticked_at else None}

    _begin(Pulse(name=f"beat@{socket.gethostname()}:{os.getpid()}", kind=ProcessKind.BEAT, facts=facts))


def ticked() -> None:
    """Beat has something to send: it is awake, whether or not Redis takes it."""
    global _ticked_at  # noqa: PLW0603 - one a process
    _ticked_at = timezone.now()


def end() -> None:
    """Of whichever this process is."""
    global _pulse  # noqa: PLW0603
    if _pulse is not None:
        _pulse.stop()
        _pulse = None


def _begin(pulse: Pulse) -> None:
    global _pulse  # noqa: PLW0603
    _pulse = pulse
    pulse.start()
