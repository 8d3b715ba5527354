"""Somebody asks for something: recorded in the same transaction as the request, handed over on commit."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from workers import events, queue
from workers.choices import ActorKind, EventKind, OperationKind, OperationState
from workers.models import Operation, Worker
from workers.services import record
from workers.services.operations import plans, registry, rules
from workers.services.operations.steps import Stopped
from workers.services.record import Actor


class UnableToAsk(Exception):
    """Why nothing was recorded, as a sentence. `operation` is the one that stands in the way, if any; `already` says that what was
    asked for is so."""

    def __init__(self, sentence: str, *, operation: Operation | None = None, already: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.operation = operation
        self.already = already


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who asks, from which address, and why."""

    actor: Actor
    from_address: str | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What on a worker is meant, such as a lab: its id, its name, and the slot that keeps two operations on it apart."""

    id: uuid.UUID
    name: str
    slot: str


def ask(
    *,
    kind: OperationKind,
    worker: Worker,
    by: Asker,
    now: datetime,
    subject: Subject | None = None,
    parameters: dict[str, Any] | None = None,
    batch: uuid.UUID | None = None,
    due_at: datetime | None = None,
) -> Operation:
    """Record an operation on `worker`, or on something on it. Raises UnableToAsk: illegal in its state, already so, or somebody else
    was first."""
    slot = subject.slot if subject else rules.SLOTS[kind]
    try:
        with transaction.atomic():
            current = Worker.objects.select_for_update().get(pk=worker.pk)
            _make_way(kind, current, by, subject, now=now)
            ruling = rules.ruling(kind, current, subject.id if subject else None)
            if ruling.verdict != rules.Verdict.ACT:
                raise UnableToAsk(ruling.sentence, already=ruling.verdict == rules.Verdict.ALREADY)
            return add(
                kind=kind, worker=current, by=by, now=now, subject=subject, parameters=parameters, batch=batch, due_at=due_at
            )
    except Worker.DoesNotExist:
        raise UnableToAsk(f"{worker} was deleted meanwhile.") from None
    except IntegrityError:
        # Two at the very same moment, each having seen nobody: the database let one through.
        other = Operation.objects.in_flight().filter(worker=worker.pk, slot=slot).first()
        if other is None:
            raise
        raise UnableToAsk(_is_being(worker, other, now), operation=other) from None


def add(
    *,
    kind: OperationKind,
    worker: Worker | None,
    by: Asker,
    now: datetime,
    subject: Subject | None = None,
    parameters: dict[str, Any] | None = None,
    batch: uuid.UUID | None = None,
    due_at: datetime | None = None,
) -> Operation:
    """Record an operation without asking whether it is legal: for kinds that have no worker yet. Inside a transaction."""
    operation = Operation.objects.create(
        **described(kind, worker, by, subject),
        parameters=parameters or {},
        batch=batch,
        steps=plans.steps_of(kind),
        asked_at=now,
        due_at=due_at or now,
        queued_at=None if due_at and due_at > now else now,
    )
    if worker is not None:
        note(operation, EventKind.ASKED, worker, now=now, after=operation.get_kind_display(), detail=by.reason)
    announce(operation)
    events.tell_operation(operation, at=now, old=None, new=OperationState.PENDING)
    if operation.queued_at:
        queue.run_operation(operation_id=operation.pk)
    return operation


def described(kind: OperationKind, worker: Worker | None, by: Asker, subject: Subject | None) -> dict[str, Any]:
    """What, of what and by whom, as fields of an operation."""
    return {
        "kind": kind,
        "worker": worker,
        "worker_name": str(worker)[:255] if worker else "",
        "subject_id": subject.id if subject else None,
        "subject_name": subject.name[:255] if subject else "",
        "slot": subject.slot if subject else rules.SLOTS[kind],
        "actor_kind": by.actor.kind,
        "actor": by.actor.user,
        "actor_name": by.actor.name[:150],
        "from_address": by.from_address,
        "reason": by.reason[:500],
    }


def announce(operation: Operation) -> None:
    """Tell the pages that show it, or what it is about, after the current transaction."""
    events.announce_operation(operation.pk)
    other = registry.registered(operation.kind)
    if other is not None:
        if other.announce is not None:
            other.announce(operation)
    elif operation.worker_id and operation.kind != OperationKind.LOOK:
        events.announce_workers([operation.worker_id])


def note(operation: Operation, kind: EventKind, worker: Worker, *, now: datetime, **words: str) -> None:
    """A line in the worker's timeline about `operation`."""
    event = record.event_of(worker, kind, actor=actor_of(operation), now=now, **words)
    event.operation = operation
    event.from_address = operation.from_address
    event.subject_id, event.subject_name = operation.subject_id, operation.subject_name
    event.save()


def actor_of(operation: Operation) -> Actor:
    """Who asked for it."""
    return Actor(kind=ActorKind(operation.actor_kind), user=operation.actor, label=operation.actor_name)


def _make_way(kind: OperationKind, worker: Worker, by: Asker, subject: Subject | None, *, now: datetime) -> None:
    slots = rules.slots_in_the_way(kind, subject.slot if subject else "")
    others = Operation.objects.in_flight().select_for_update().filter(worker=worker, slot__in=slots)
    other = others.order_by("slot").first()
    if other is None:
        return
    legal = rules.ruling(kind, worker, subject.id if subject else None).verdict == rules.Verdict.ACT
    if not legal or not rules.overtakes(kind, OperationKind(other.kind)):
        raise UnableToAsk(_is_being(worker, other, now), operation=other)
    sentence = f"Overtaken: {by.actor.name or by.actor.kind.label} asked to {kind.label.lower()} {subject.name if subject else worker} meanwhile."
    ended = Operation.objects.in_flight().filter(pk=other.pk)
    if ended.update(state=OperationState.REFUSED, sentence=sentence, finished_at=now, lease_owner=None, lease_until=None):
        note(other, EventKind.ENDED, worker, now=now, before=other.get_kind_display(), after="Overtaken", detail=sentence)
        plans.after_end(other, Stopped(sentence), now=now)
        events.announce_operation(other.pk)
        events.tell_operation(other, at=now, old=other.state, new=OperationState.REFUSED, sentence=sentence)


def _is_being(worker: Worker, other: Operation, now: datetime) -> str:
    seconds = max(0, int((now - other.asked_at).total_seconds()))
    ago = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    return f"{other.doing} {other.subject_name or worker} is on its way already, asked by {other.asked_by} {ago} ago."
