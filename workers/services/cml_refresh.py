"""What CML says of itself, for running workers: read in parallel, each independent of the others, partial answers kept."""

from __future__ import annotations

import logging
import uuid
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from workers import events
from workers.models import Event, Sample, Worker
from workers.services import due, record
from workers.services.cml_reading import Reading, read
from workers.services.cml_story import fields_of, sample_of

logger = logging.getLogger(__name__)

PARALLEL = 16
BATCH = 64  # workers a task: four rounds of PARALLEL, each at most one read time-out long
EAGER = 15  # seconds between looks at a CML that is still coming up


def refresh_cml(*, now: datetime) -> int:
    """Read the CML servers that are due and write what changed; returns how many were read. One that hangs delays no other."""
    workers = due.claim_cml(limit=BATCH, interval=settings.CML_INTERVAL, now=now)
    if not workers:
        return 0
    pool = ThreadPoolExecutor(max_workers=min(PARALLEL, len(workers)), thread_name_prefix="cml")
    try:
        futures = {pool.submit(read, worker): worker for worker in workers}
        for future in as_completed(futures):
            _keep(futures[future], future.result())
    finally:
        # When the task's time limit strikes, threads that still wait for a server must not hold the process.
        pool.shutdown(wait=False, cancel_futures=True)
    return len(workers)


def _keep(worker: Worker, reading: Reading) -> None:
    # The moment of the answer, not of the task's start: a batch takes a while.
    now = timezone.now()
    with transaction.atomic():
        # Read again: the machine may have been stopped while its CML was being asked, and then its answer counts no more.
        current = Worker.objects.get(pk=worker.pk)
        if current.machine_state != worker.machine_state:
            return
        changes = record.differences(current, fields_of(current, reading, now=now))
        story = record.apply(current, dict(changes), actor=record.CML, now=now)
        if story is None:
            return
        Event.objects.bulk_create(story)
        _mark(current, reading, now=now)
        sample = sample_of(current, reading, now=now)
        if sample:
            Sample.objects.bulk_create([sample], ignore_conflicts=True)
        _announce(current.pk, bool(changes), "service_state" in changes or "license_state" in changes, now=now)


def _mark(worker: Worker, reading: Reading, *, now: datetime) -> None:
    """Note when CML was asked, whether it answered, and when it comes next."""
    marks: dict[str, datetime | None] = {"cml_checked_at": now, "refresh_asked_at": None}
    if reading.information:
        marks["cml_succeeded_at"] = now
    if worker.service_state == "starting" and worker.cml_due_at and worker.cml_due_at > now + timedelta(seconds=EAGER):
        marks["cml_due_at"] = now + timedelta(seconds=EAGER)
    Worker.objects.filter(pk=worker.pk).update(**marks)


def _announce(worker_id: uuid.UUID, changed: bool, moved: bool, *, now: datetime) -> None:
    if changed:
        events.announce_workers([worker_id])
    if moved:
        events.announce_counts()
    events.announce_cml_checked(worker_ids=[worker_id], at=now)
