"""What beat and the Celery worker do for open pages, in one small process: heartbeats, and changes of workers with their news."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.live.portal import ROOT, Portal
from tests.redis_server import die_with_parent

SCRIPT = """
import django, json, sys, threading, time
django.setup()
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from workers import events
from workers.models import Worker
from workers.services import pulse

def beat():
    while True:
        pulse.beat(now=timezone.now())
        time.sleep(settings.HEARTBEAT_INTERVAL)

threading.Thread(target=beat, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    name, fields = json.loads(line)
    started = time.monotonic()
    with transaction.atomic():
        worker = Worker.objects.get(name=name)
        for field, value in fields.items():
            setattr(worker, field, value)
        worker.save()
        events.announce_workers([worker.pk])
        events.announce_counts()
    print(time.monotonic() - started, flush=True)
"""


class Crew:
    """The process; `change` is done when it returns."""

    def __init__(self, portal: Portal) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env=portal.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509
        )
        assert self._read() == "ready"

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def change(self, name: str, **fields: object) -> float:
        """Give the worker `name` these values, and announce them; the seconds that it took."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, fields]) + "\n")
        self._process.stdin.flush()
        return float(self._read())

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
