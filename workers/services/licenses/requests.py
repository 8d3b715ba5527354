"""Somebody asks for what concerns a licence: the operation, and beside it what must not be in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from workers.choices import EventKind, LicenseState, OperationKind
from workers.models import Operation, Worker
from workers.services.licenses import tokens
from workers.services.operations import asking
from workers.services.operations.asking import Asker, UnableToAsk


def ask_registration(*, worker: Worker, token: str, reregister: bool, nodes: int | None, by: Asker, now: datetime) -> Operation:
    """Record a registration with its token, and afterwards so many expansion nodes unless None. Raises UnableToAsk."""
    if worker.license_state == LicenseState.REGISTERED and not reregister:
        raise UnableToAsk(
            f"{worker} is registered already. Say that it is to be registered again to replace that.", already=True
        )
    parameters = {"reregister": reregister} | ({} if nodes is None else {"nodes": nodes})
    with transaction.atomic():
        operation = asking.ask(kind=OperationKind.REGISTER, worker=worker, by=by, now=now, parameters=parameters)
        tokens.keep(operation=operation, token=token, now=now)
    return operation


def ask_termination(
    *, worker: Worker, give_up_seat: bool, seat_reason: str, by: Asker, now: datetime, labs_reason: str = ""
) -> Operation:
    """Record a terminate; with `give_up_seat` it goes on when the licence cannot be given back, and with a `labs_reason` when the labs
    cannot be saved. The audit says why. Raises UnableToAsk."""
    parameters: dict[str, Any] = {}
    if give_up_seat:
        parameters |= {"give_up_seat": True, "seat_reason": seat_reason.strip()[:500]}
    if labs_reason := labs_reason.strip()[:400]:
        parameters |= {"give_up_labs": True, "labs_reason": labs_reason}
        by = replace(by, reason=f"{by.reason} Labs that cannot be saved may be lost: {labs_reason}".strip())
    with transaction.atomic():
        operation = asking.ask(kind=OperationKind.TERMINATE, worker=worker, by=by, now=now, parameters=parameters or None)
        if give_up_seat:
            words = "May stay taken: asked to terminate even if the licence cannot be given back"
            asking.note(operation, EventKind.SEAT, worker, now=now, after=words, detail=seat_reason)
    return operation
