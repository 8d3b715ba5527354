"""The labs of running workers: read in parallel, one call a worker, and written only where something changed."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.utils import timezone

from cmlmanager import runtime
from labs import events
from labs.models import Lab, LabsCheck
from labs.services import applying, tiles
from labs.services.reading import Reading, read
from workers.models import Worker
from workers.services import due, labs_known

logger = logging.getLogger(__name__)

PARALLEL = 16
BATCH = 64  # workers a task: four rounds of PARALLEL
AGAIN = 300  # seconds until labs that could not be read are asked for once more
FLUSH = 1.0  # seconds for which workers without news wait for each other, to be marked in one statement


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the reading of one worker's labs went: how many there are, how many rows changed, and what was wrong ("": nothing)."""

    worker: Worker
    was_read: bool
    labs: int = 0
    changed: int = 0
    problem: str = ""


@dataclass(kw_only=True)
class _Round:
    """One batch: what was known when it began, and who waits to be marked as read."""

    asked_at: datetime
    claimed_until: datetime
    digests: dict[uuid.UUID, dict[str, tuple[str, str]]]  # worker → CML's id → digest and worker's name, of labs not gone
    failing: set[uuid.UUID]
    waiting: list[uuid.UUID] = field(default_factory=list)
    flushed: float = field(default_factory=time.monotonic)


def refresh_labs(*, now: datetime, only: Iterable[uuid.UUID] | None = None) -> list[Outcome]:
    """Read the labs of workers that are due, or of `only` these; one that hangs delays no other."""
    interval = runtime.value("LABS_INTERVAL")
    if only is None:
        due.pull_forward("labs_due_at", within=interval, over=interval, now=now)
    until = now + timedelta(seconds=min(interval, AGAIN))
    workers = due.claim_labs(limit=BATCH, until=until, now=now, only=only)
    if not workers:
        return []
    this = _begin(workers, now, until)
    outcomes = []
    pool = ThreadPoolExecutor(max_workers=min(PARALLEL, len(workers)), thread_name_prefix="labs")
    try:
        futures = {pool.submit(read, worker, this.digests.get(worker.pk, {}).keys()): worker for worker in workers}
        for future in as_completed(futures):
            outcomes.append(_kept(this, futures[future], future.result()))
            if time.monotonic() - this.flushed > FLUSH:
                _flush(this)
    finally:
        # When the task's time limit strikes, threads that still wait for a server must not hold the process.
        pool.shutdown(wait=False, cancel_futures=True)
        _flush(this)
    return outcomes


def _begin(workers: list[Worker], now: datetime, until: datetime) -> _Round:
    digests: dict[uuid.UUID, dict[str, tuple[str, str]]] = {}
    labs = Lab.objects.filter(worker__in=workers, gone_at__isnull=True)
    for worker_id, cml_id, digest, name in labs.values_list("worker_id", "cml_id", "digest", "worker_name"):
        digests.setdefault(worker_id, {})[cml_id] = (digest, name)
    failing = set(LabsCheck.objects.filter(worker__in=workers).values_list("worker_id", flat=True))
    return _Round(asked_at=now, claimed_until=until, digests=digests, failing=failing)


def _kept(this: _Round, worker: Worker, reading: Reading) -> Outcome:
    try:
        return _keep(this, worker, reading)
    except (LookupError, TypeError, ValueError, AttributeError, DatabaseError):
        # A defect of ours, or a row that cannot be written, must not keep the rest of the fleet from being read, now and each time.
        logger.exception("What CML says of the labs of %s could not be kept", worker)
        return Outcome(
            worker=worker, was_read=False, problem="The portal could not store what this CML says; the log has the details."
        )


def _keep(this: _Round, worker: Worker, reading: Reading) -> Outcome:
    if reading.tiles is None:
        applying.note_problem(worker, reading.problem, now=timezone.now())
        return Outcome(worker=worker, was_read=False, problem=reading.problem)
    found = tiles.by_id(reading.tiles)
    name = str(worker)[:255]
    fresh = {cml_id: (tiles.digest_of(tile), name) for cml_id, tile in found.items()}
    running = sum(tile.state == "STARTED" for tile in found.values())
    same_worker = (worker.labs_total, worker.labs_running) == (len(found), running) and worker.pk not in this.failing
    if fresh == this.digests.get(worker.pk, {}) and not reading.problem and same_worker:
        this.waiting.append(worker.pk)
        return Outcome(worker=worker, was_read=True, labs=len(found))
    times = {"asked_at": this.asked_at, "claimed_until": this.claimed_until, "now": timezone.now()}
    changed = applying.apply(worker, found, reading, **times)
    return Outcome(worker=worker, was_read=True, labs=len(found), changed=changed, problem=reading.problem)


def _flush(this: _Round) -> None:
    ids, this.waiting, this.flushed = this.waiting, [], time.monotonic()
    if ids:
        now = timezone.now()
        with transaction.atomic():
            next_at = now + timedelta(seconds=runtime.value("LABS_INTERVAL"))
            labs_known.mark_read(worker_ids=ids, claimed_until=this.claimed_until, due_at=next_at, at=now)
            events.announce_checked(worker_ids=ids, at=now)
