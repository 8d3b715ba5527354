"""The same thing asked of many workers: an operation for each, spread so that EC2's buckets refill as fast as they are emptied."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from workers import events, tag_rules
from workers.choices import OperationKind, OperationState, StepState
from workers.models import Operation, Worker
from workers.services.operations import asking, plans, registry
from workers.services.operations.asking import Asker, Subject, UnableToAsk

MOST = 500  # workers at once

# Calls a second at which EC2 refills the bucket of each action, for an account in a region.
# Source: Amazon EC2 Developer Guide, "Request throttling for the Amazon EC2 API", request token bucket sizes and refill rates.
REFILL_RATES = {OperationKind.START: 2, OperationKind.STOP: 5, OperationKind.TAG: 10}


# The kinds that may be asked of many, and the permission that each needs.
PERMISSIONS = {
    OperationKind.START: "workers.start_worker",
    OperationKind.STOP: "workers.stop_worker",
    OperationKind.TAG: "workers.tag_worker",
}


class UnableToAskMany(Exception):
    """Why nothing at all was asked, as a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def ask_many(
    *, kind: OperationKind, workers: Iterable[Worker], by: Asker, now: datetime, parameters: dict[str, Any] | None = None
) -> uuid.UUID:
    """Ask for `kind` of every worker, all or none recorded; returns the batch that the operations share.

    One that is refused at once is recorded too, ended, so that the batch holds a result for each worker. Raises UnableToAskMany for
    none, for more than MOST, and for kinds that are not asked for many.
    """
    # In one order, so that two people who ask for overlapping ones never wait for each other.
    chosen = sorted(workers, key=lambda worker: worker.pk)
    if not chosen:
        raise UnableToAskMany("No worker was selected.")
    if len(chosen) > MOST:
        raise UnableToAskMany(f"{len(chosen)} workers are more than can be asked of at once; at most {MOST} can.")
    if kind not in REFILL_RATES:
        raise UnableToAskMany(f"{kind.label} cannot be asked of many workers at once.")
    batch = uuid.uuid4()
    turns: Counter[str] = Counter()
    with transaction.atomic():
        for worker in chosen:
            due_at = now + timedelta(seconds=turns[worker.place] / REFILL_RATES[kind])
            try:
                _refuse_tags(kind, worker, parameters or {})
                asking.ask(kind=kind, worker=worker, by=by, now=now, parameters=parameters, batch=batch, due_at=due_at)
            except UnableToAsk as refusal:
                keep_refusal(refusal, kind=kind, worker=worker, by=by, now=now, parameters=parameters or {}, batch=batch)
            else:
                turns[worker.place] += 1
    return batch


def permission_to_retry(kind: OperationKind) -> str | None:
    """Which permission trying again what failed in a batch of `kind` needs; None: it cannot be tried again."""
    other = registry.registered(kind)
    if other is not None:
        return other.permission if other.retry is not None else None
    return PERMISSIONS.get(kind)


def retry(*, batch: uuid.UUID, by: Asker, now: datetime) -> uuid.UUID:
    """Ask again for what failed or was refused in `batch`; returns the new batch. Raises UnableToAskMany when nothing is left to retry."""
    ended = list(
        Operation.objects.filter(
            batch=batch, state__in=(OperationState.FAILED, OperationState.REFUSED), worker__isnull=False
        ).select_related("worker")
    )
    if not ended:
        raise UnableToAskMany("Nothing of this failed, so there is nothing to try again.")
    other = registry.registered(ended[0].kind)
    if other is not None and other.retry is not None:
        return other.retry(ended, by, now)
    workers = [operation.worker for operation in ended if operation.worker]
    return ask_many(kind=OperationKind(ended[0].kind), workers=workers, by=by, now=now, parameters=ended[0].parameters or None)


def _refuse_tags(kind: OperationKind, worker: Worker, parameters: dict[str, Any]) -> None:
    if kind != OperationKind.TAG:
        return
    sentence = tag_rules.too_many(worker, parameters.get("set", {}), parameters.get("remove", []))
    if sentence:
        raise UnableToAsk(sentence)


def keep_refusal(
    refusal: UnableToAsk,
    *,
    kind: OperationKind,
    worker: Worker,
    by: Asker,
    now: datetime,
    parameters: dict[str, Any],
    batch: uuid.UUID,
    subject: Subject | None = None,
) -> None:
    """A refusal as an operation that ended before it began. What is so already counts as done."""
    operation = Operation.objects.create(
        **asking.described(kind, worker, by, subject) | {"worker": Worker.objects.filter(pk=worker.pk).first()},
        parameters=parameters,
        batch=batch,
        state=OperationState.SUCCEEDED if refusal.already else OperationState.REFUSED,
        steps=[step | {"state": StepState.SKIPPED.value} for step in plans.steps_of(kind)],
        sentence=refusal.sentence[:500],
        asked_at=now,
        due_at=now,
        finished_at=now,
    )
    events.announce_operation(operation.pk)
    events.tell_operation(operation, at=now, old=None, new=operation.state, sentence=operation.sentence)
