"""What CML says of itself, for running workers: read in parallel, each independent of the others, partial answers kept.

One task reads until nothing is due: as soon as a thread is free it takes the next worker, so a server that hangs holds one thread and no
other server. Servers whose last look timed out share a few threads, whatever their number, and are asked less often the longer they do.
"""

from __future__ import annotations

import logging
import time
import uuid
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from cmlmanager import runtime
from workers import events
from workers.choices import EventKind, MachineState, ServiceState
from workers.models import Event, Sample, Worker
from workers.services import due, readiness, record
from workers.services.alerts import evaluation
from workers.services.cml_reading import Reading, read
from workers.services.cml_story import LONGEST_PATIENCE, fields_of, patience, sample_of
from workers.services.licenses import seats

logger = logging.getLogger(__name__)

PARALLEL = 16
SUSPECTS = 4  # threads of PARALLEL that servers which timed out may hold together
JUDGED = 32  # workers read before their alerts are judged together
EAGER = 15  # seconds between looks at a CML that is still coming up
LOOK_AGAIN = 0.5  # seconds after which a task whose threads wait looks for more that is due
# Seconds after which a task takes no more: what it holds then ends before its time limit. Suspects are left to the next task earlier.
LAST_CLAIM, LAST_SUSPECT = 150, 90


@dataclass(frozen=True)
class Asked:
    """A worker as it was when its CML was asked, and since when."""

    worker: Worker
    at: datetime


def refresh_cml(*, now: datetime) -> int:
    """Read the CML servers that are due and write what changed; returns how many were read. One that hangs delays no other."""
    _plan_anew(now)
    pool = ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="cml")
    reading: dict[Future[Reading], Asked] = {}
    began = time.monotonic()
    count = 0
    judged: list[uuid.UUID] = []
    try:
        while True:
            passed = time.monotonic() - began
            held = [asked.worker for asked in reading.values()]
            for worker in _next(held, now=now + timedelta(seconds=passed), passed=passed):
                asked = Asked(worker, timezone.now())
                reading[pool.submit(read, worker)] = asked
                count += 1
            if not reading or len(judged) >= JUDGED:
                _judge(judged)
                judged = []
            if not reading:
                return count
            done, _ = wait(reading, timeout=LOOK_AGAIN, return_when=FIRST_COMPLETED)
            judged += _keep_all([(reading.pop(future), future.result()) for future in done])
    finally:
        # When the task's time limit strikes, threads that still wait for a server must not hold the process.
        pool.shutdown(wait=False, cancel_futures=True)


def _plan_anew(now: datetime) -> None:
    """The interval may have become shorter. Servers that timed out may be some intervals further away."""
    interval = runtime.value("CML_INTERVAL")
    for timed_out, intervals in ((False, due.FURTHEST), (True, due.FURTHEST + LONGEST_PATIENCE - 1)):
        among = Q(machine_state=MachineState.RUNNING, **{"cml_timeouts__gt" if timed_out else "cml_timeouts": 0})
        due.pull_forward("cml_due_at", within=intervals * interval, over=intervals * interval, among=among, now=now)


def _judge(worker_ids: list[uuid.UUID]) -> None:
    """Judge the alerts of those that were read. What goes wrong there must not cost the answers that are still on their way."""
    try:
        evaluation.evaluate(worker_ids=worker_ids, now=timezone.now())
    except Exception:
        logger.exception(
            "The alerts of %d workers could not be judged; the next evaluation of the fleet does it", len(worker_ids)
        )


def _keep_all(answers: list[tuple[Asked, Reading]]) -> list[uuid.UUID]:
    """Write what these looks brought; returns whose they were."""
    ids = [asked.worker.pk for asked, _ in answers]
    in_doubt = seats.in_doubt(ids) if ids else set()
    for asked, answer in answers:
        _keep(asked.worker, answer)
        if asked.worker.pk in in_doubt and answer.licensing:
            seats.seen(asked.worker.pk, now=timezone.now(), asked_at=asked.at)
    return ids


def _next(held: list[Worker], *, now: datetime, passed: float) -> list[Worker]:
    """The workers that the free threads take."""
    free = PARALLEL - len(held)
    if passed > LAST_CLAIM or not free:
        return []
    suspects = 0 if passed > LAST_SUSPECT else SUSPECTS - sum(due.is_suspect(worker) for worker in held)
    return due.claim_cml(limit=free, suspects=min(free, suspects), interval=runtime.value("CML_INTERVAL"), now=now)


def _keep(worker: Worker, reading: Reading) -> None:
    # The moment of the answer, not of the task's start: a batch takes a while.
    now = timezone.now()
    with transaction.atomic():
        # Read again: the machine may have been stopped while its CML was being asked, and then its answer counts no more.
        current = Worker.objects.get(pk=worker.pk)
        if current.machine_state != worker.machine_state or _was_asked_otherwise(worker, current):
            return
        gates = current.gates
        changes = record.differences(current, fields_of(current, reading, now=now))
        story = record.apply(current, dict(changes), actor=record.CML, now=now)
        if story is None:
            return
        for event in story:
            if event.kind == EventKind.SERVICE:
                event.detail = " ".join(current.service_reasons)[:500]
        Event.objects.bulk_create([*story, *readiness.story_of(current, gates, changes, now=now)])
        asked_for = current.refresh_asked_at is not None
        _mark(current, reading, now=now)
        sample = sample_of(current, reading, now=now)
        if sample:
            Sample.objects.bulk_create([sample], ignore_conflicts=True)
        # Whoever asked for it is told in any case.
        moved = "service_state" in changes or "license_state" in changes
        _announce(current.pk, bool(changes) or asked_for, moved, now=now)


def _was_asked_otherwise(worker: Worker, current: Worker) -> bool:
    """Whether the connection was changed meanwhile: then the answer is that of other settings, and the worker is due again."""
    names = (
        "address_kind",
        "custom_endpoint",
        "tls_policy",
        "tls_fingerprint",
        "tls_ca",
        "cml_username",
        "cml_password_encrypted",
    )
    return any(getattr(worker, name) != getattr(current, name) for name in names)


def _mark(worker: Worker, reading: Reading, *, now: datetime) -> None:
    """Note when CML was asked, whether it answered, and when it comes next."""
    marks: dict[str, datetime | None] = {"cml_checked_at": now, "refresh_asked_at": None}
    if reading.information:
        marks["cml_succeeded_at"] = now
    if reading.licensing:
        marks["license_read_at"] = now
    if worker.cml_due_at:
        if worker.service_state == ServiceState.STARTING:
            marks["cml_due_at"] = min(worker.cml_due_at, now + timedelta(seconds=EAGER))
        elif patience(worker.cml_timeouts) > 1:
            marks["cml_due_at"] = worker.cml_due_at + timedelta(
                seconds=(patience(worker.cml_timeouts) - 1) * runtime.value("CML_INTERVAL")
            )
    Worker.objects.filter(pk=worker.pk).update(**marks)


def _announce(worker_id: uuid.UUID, changed: bool, moved: bool, *, now: datetime) -> None:
    if changed:
        events.announce_workers([worker_id])
    if moved:
        events.announce_counts()
    events.announce_cml_checked(worker_ids=[worker_id], at=now)
