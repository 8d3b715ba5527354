"""Somebody asks for what needs a word more than its kind."""

from __future__ import annotations

from datetime import datetime

from workers.choices import OperationKind
from workers.models import Operation, Worker
from workers.services.operations import asking
from workers.services.operations.asking import Asker, UnableToAsk


def ask_monitoring(*, worker: Worker, on: bool, by: Asker, now: datetime) -> Operation:
    """Record a change to detailed monitoring, or to basic. Raises UnableToAsk, `already` where it is so."""
    if worker.detailed_monitoring == on:
        raise UnableToAsk(f"Detailed monitoring of {worker} is {'on' if on else 'off'} already.", already=True)
    return asking.ask(kind=OperationKind.MONITOR, worker=worker, by=by, now=now, parameters={"on": on})
