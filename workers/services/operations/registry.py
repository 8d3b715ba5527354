"""Kinds of operations that the apps above this one bring along, and steps of theirs that come before some of this app's.

Filled in `AppConfig.ready()`, so that this app need not know of those above it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from workers.choices import OperationKind

if TYPE_CHECKING:
    from workers.models import Operation, Worker
    from workers.services.operations.asking import Asker
    from workers.services.operations.rules import Ruling
    from workers.services.operations.steps import Handler, Stopped

    Plan = tuple[tuple[str, str, Handler], ...]  # name, label, handler, in order; names are stored with operations in flight


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What an operation of another app is.

    `permission` is who may ask for it (app_label.codename). `ruling` is what the worker and the subject, by its id, allow; in `ask` it is called
    with the worker's row locked. `succeeded` gives the sentence of a success, from the operation and how long it took.
    `in_the_way` are the slots, beside the operation's own, in which nothing may go on when it is asked for; `overtakes` the kinds that it ends.
    `noun` is what one of its subjects is called; `retry` asks again for what failed of a batch, and returns the new batch.
    `ended` is called in the transaction in which one ends, however it does; `failed` says why, None after a success. `announce` tells the pages.
    """

    permission: str
    steps: Plan
    ruling: Callable[[Worker, uuid.UUID | None], Ruling]
    succeeded: Callable[[Operation, str], str]
    in_the_way: tuple[str, ...] = ("life",)
    overtakes: frozenset[OperationKind] = frozenset()
    ended: Callable[[Operation, Stopped | None, datetime], None] | None = None
    announce: Callable[[Operation], None] | None = None
    noun: str = "worker"
    retry: Callable[[list[Operation], Asker, datetime], uuid.UUID] | None = None


_KINDS: dict[OperationKind, Kind] = {}
_BEFORE: dict[tuple[OperationKind, str], Plan] = {}


def register(kind: OperationKind, what: Kind) -> None:
    """Make `kind` known to the engine. Twice the same kind is a defect, unless it is the same."""
    if _KINDS.setdefault(kind, what) != what:
        raise ValueError(f"{kind} is registered already")


def register_before(kind: OperationKind, step: str, plan: Plan) -> None:
    """Have the steps of `plan` done before the step named `step` of `kind`; their names must be new in it."""
    if _BEFORE.setdefault((kind, step), plan) != plan:
        raise ValueError(f"steps before {step} of {kind} are registered already")


def registered(kind: OperationKind | str) -> Kind | None:
    """What was registered for `kind`; None for this app's own."""
    return _KINDS.get(OperationKind(kind))


def before(kind: OperationKind, step: str) -> Plan:
    """The steps of other apps that come before `step`."""
    return _BEFORE.get((kind, step), ())
