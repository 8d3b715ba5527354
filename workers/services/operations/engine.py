"""Runs operations: one process at a time by a lease, the next undone step, its outcome written before the next."""

from __future__ import annotations

import logging
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from workers import events
from workers.choices import EventKind, OperationState, StepState
from workers.clients import aws, cml
from workers.models import Operation, Worker
from workers.services.operations import asking, plans
from workers.services.operations.steps import MAX_ATTEMPTS, Finished, Outcome, Stopped, Task, Wait

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """This process's right to write the operation, as long as nobody took it over or ended it."""

    operation_id: uuid.UUID
    owner: uuid.UUID

    def write(self, **fields: Any) -> bool:
        """Write if the lease still holds; False when it does not, and then nothing may be done any more."""
        mine = Operation.objects.filter(pk=self.operation_id, lease_owner=self.owner, state=OperationState.RUNNING)
        return bool(mine.update(**fields))


def _lease() -> timedelta:
    return timedelta(seconds=settings.OPERATION_LEASE)


def run(*, operation_id: uuid.UUID, now: datetime) -> None:
    """Take the operation if it is due and free, and go on with it until it waits or ends. Safe to call any number of times."""
    owner = uuid.uuid4()
    taken = Operation.objects.runnable(now).filter(pk=operation_id)
    fields: dict[str, Any] = {
        "queued_at": None,
        "lease_owner": owner,
        "lease_until": now + _lease(),
        "started_at": Coalesce(F("started_at"), now),
    }
    if not taken.update(state=OperationState.RUNNING, **fields):
        return
    lease = Lease(operation_id, owner)
    operation = Operation.objects.select_related("worker", "actor").get(pk=operation_id)
    if operation.started_at == now:
        events.tell_operation(operation, at=now, old=OperationState.PENDING, new=OperationState.RUNNING)
    while step := operation.next_step():
        if not _perform(operation, step, lease):
            return
    _end(operation, lease, OperationState.SUCCEEDED, plans.succeeded(operation, timezone.now()))


def _perform(operation: Operation, step: dict[str, Any], lease: Lease) -> bool:
    """Do one step; False when the operation ended, waits, or is no longer ours."""
    now = timezone.now()
    if step["state"] != StepState.RUNNING:
        step |= {"state": StepState.RUNNING.value, "started_at": now.isoformat()}
        if not lease.write(steps=operation.steps, lease_until=now + _lease()):
            return False
        asking.announce(operation)
        events.tell_operation(operation, at=now, old=StepState.PENDING, new=StepState.RUNNING, step=step)
    if operation.worker_id:
        operation.worker = Worker.objects.filter(pk=operation.worker_id).first()
    try:
        outcome: Outcome = plans.handler_of(operation, step)(Task(operation=operation, step=step, now=now))
    except (aws.AwsError, cml.CmlError) as error:
        return _after_error(operation, step, lease, error)
    except Stopped as stopped:
        return _stop(operation, step, lease, stopped)
    except Exception as error:
        logger.exception("Step %s of operation %s failed", step["name"], operation.pk)
        defect = Stopped("The portal made a mistake; the log has the details.", detail=f"{type(error).__name__}: {error}")
        return _stop(operation, step, lease, defect)
    return _after(operation, step, lease, outcome)


def _after(operation: Operation, step: dict[str, Any], lease: Lease, outcome: Outcome) -> bool:
    now = timezone.now()
    step["detail"] = outcome.detail[:500]
    if isinstance(outcome, Wait):
        return _wait(operation, lease, timedelta(seconds=outcome.seconds), attempts=0)
    step |= {"state": StepState.DONE.value, "finished_at": now.isoformat()}
    if isinstance(outcome, Finished):
        _skip_rest(operation)
    kept = lease.write(steps=operation.steps, attempts=0, result=operation.result, lease_until=now + _lease())
    if kept:
        operation.attempts = 0
        asking.announce(operation)
        events.tell_operation(operation, at=now, old=StepState.RUNNING, new=StepState.DONE, step=step)
    return kept


def _after_error(operation: Operation, step: dict[str, Any], lease: Lease, error: aws.AwsError | cml.CmlError) -> bool:
    attempts = operation.attempts + 1
    step["detail"] = error.sentence[:500]
    if not error.retryable or attempts >= MAX_ATTEMPTS:
        return _stop(operation, step, lease, Stopped(error.sentence, detail=error.detail))
    logger.warning("Operation %s tries %s again: %s", operation.pk, step["name"], error.detail)
    # Full jitter, so that a fleet of throttled operations does not come back as one.
    ceiling = min(60.0, 2.0**attempts)
    return _wait(operation, lease, timedelta(seconds=random.uniform(ceiling / 2, ceiling)), attempts=attempts)  # noqa: S311


def _wait(operation: Operation, lease: Lease, span: timedelta, *, attempts: int) -> bool:
    """Give the operation back until later: nothing sleeps in a Celery worker."""
    due_at = timezone.now() + span
    lease.write(steps=operation.steps, attempts=attempts, due_at=due_at, lease_owner=None, lease_until=None)
    asking.announce(operation)
    return False


def _stop(operation: Operation, step: dict[str, Any], lease: Lease, stopped: Stopped) -> bool:
    now = timezone.now()
    step |= {"state": StepState.FAILED.value, "detail": stopped.sentence[:500], "finished_at": now.isoformat()}
    state = OperationState.REFUSED if stopped.nothing_done else OperationState.FAILED
    operation.detail = stopped.detail
    with transaction.atomic():
        if _end(operation, lease, state, stopped.sentence, stopped):
            plans.after_failure(operation, stopped, now=now)
    return False


def _end(operation: Operation, lease: Lease, state: OperationState, sentence: str, stopped: Stopped | None = None) -> bool:
    now = timezone.now()
    fields = {"sentence": sentence[:500], "detail": operation.detail, "steps": operation.steps, "result": operation.result}
    with transaction.atomic():
        if not lease.write(state=state, finished_at=now, lease_owner=None, lease_until=None, **fields):
            return False
        worker = operation.worker
        if worker is not None:
            words = {"before": operation.get_kind_display(), "after": state.label, "detail": sentence}
            asking.note(operation, EventKind.ENDED, worker, now=now, **words)
        plans.after_end(operation, stopped, now=now)
        asking.announce(operation)
        events.tell_operation(operation, at=now, old=OperationState.RUNNING, new=state, sentence=fields["sentence"])
    return True


def _skip_rest(operation: Operation) -> None:
    for step in operation.steps:
        if step["state"] == StepState.PENDING:
            step["state"] = StepState.SKIPPED.value
