"""Seats of which nobody can say whether they are free again: flagged, closed when the same CML proves better, resolved by people."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from workers import events
from workers.choices import EventKind, MachineState, OperationKind
from workers.license_choices import SeatDoubt
from workers.models import DoubtfulSeat, Event, Operation, Worker
from workers.services import record
from workers.services.record import Actor

# From these a CML does not come back to deregister by itself.
_GONE = frozenset({MachineState.SHUTTING_DOWN.value, MachineState.TERMINATED.value, MachineState.LOST.value})


class UnableToResolve(Exception):
    """Why nothing was changed, as a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def flag(
    *, worker: Worker, doubt: SeatDoubt, now: datetime, actor: Actor, detail: str = "", operation: Operation | None = None
) -> None:
    """Say that the worker's seat is in doubt, with what Cisco's portal shows of it. One that is in doubt already stays as it is."""
    udi = worker.licensing.get("udi", {})
    seat = DoubtfulSeat(
        worker=worker,
        worker_name=str(worker)[:255],
        region=worker.region,
        instance_id=worker.instance_id,
        hostname=udi.get("hostname", "")[:255],
        product_uuid=udi.get("product_uuid", "")[:64],
        smart_account=worker.smart_account,
        virtual_account=worker.virtual_account,
        features=[{"name": f["name"] or f["id"], "in_use": f["in_use"]} for f in worker.licensing.get("features", [])],
        reason=doubt.value,
        detail=detail[:500],
        operation=operation,
        since=now,
    )
    if DoubtfulSeat.objects.open().filter(worker=worker).exists():
        return
    try:
        with transaction.atomic():
            seat.save()
            _tell(worker, actor=actor, now=now, after=f"In doubt: {doubt.label}", detail=detail, operation=operation)
    except IntegrityError:
        return  # somebody flagged it at the very same moment
    events.tell_seat(worker, events.SEAT_DOUBTED, by=actor, at=now, reason=doubt.value, detail=detail)
    events.announce_licenses()


def after_move(worker: Worker, *, before: str, actor: Actor, now: datetime, operation: Operation | None) -> None:
    """The machine moved from state `before` to the worker's: when it is gone with a registered CML, its seat is in doubt."""
    if worker.machine_state not in _GONE or before in _GONE or not worker.holds_seat:
        return
    if operation is not None and operation.kind == OperationKind.TERMINATE:
        if operation.result.get("outcome"):
            return  # CML has answered; a reading that was under way meanwhile may have written the former state again
        doubt = SeatDoubt(operation.result.get("doubt") or SeatDoubt.TERMINATED)
        detail = operation.result.get("doubt_detail") or operation.parameters.get("seat_reason", "")
    else:
        doubt = SeatDoubt.LOST if worker.machine_state == MachineState.LOST else SeatDoubt.OUTSIDE
        detail = ""
    flag(worker=worker, doubt=doubt, now=now, actor=actor, detail=detail, operation=operation)


def in_doubt(worker_ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the workers whose seat is in doubt. One query."""
    found = DoubtfulSeat.objects.open().filter(worker__in=list(worker_ids)).values_list("worker", flat=True)
    return {pk for pk in found if pk}


def close(worker: Worker, *, note: str, now: datetime, before: datetime | None = None) -> None:
    """The worker's CML has proved how it is, so that nothing is in doubt any more; with `before`, only what was flagged before that."""
    for seat in DoubtfulSeat.objects.open().filter(worker=worker):
        if before is not None and seat.since >= before:
            continue
        if DoubtfulSeat.objects.open().filter(pk=seat.pk).update(resolved_at=now, note=note[:500]):
            _tell(worker, actor=record.CML, now=now, before=f"In doubt: {seat.doubt.label}", after="Cleared up", detail=note)
            events.tell_seat(worker, events.SEAT_SETTLED, by=record.CML, at=now, reason=seat.doubt.value, detail=note)
            events.announce_licenses()


@transaction.atomic
def seen(worker_id: uuid.UUID, *, now: datetime, asked_at: datetime) -> None:
    """CML was just read, asked not before `asked_at`: a registered one uses its seat, so what was in doubt before is not any more."""
    worker = Worker.objects.filter(pk=worker_id, machine_state=MachineState.RUNNING).first()
    if worker and worker.licensing.get("registration", {}).get("status", "").upper() == "COMPLETED":
        close(worker, note="Its CML is registered: the seat is in use.", now=now, before=asked_at)


def resolve(*, seat: DoubtfulSeat, note: str, by: Actor, now: datetime, from_address: str | None = None) -> None:
    """A person has looked at Cisco's portal and says how it is. Raises UnableToResolve when it was cleared up meanwhile."""
    with transaction.atomic():
        fields = {"resolved_at": now, "resolved_by": by.user, "resolved_by_name": by.name[:150], "note": note[:500]}
        if not DoubtfulSeat.objects.open().filter(pk=seat.pk).update(**fields):
            raise UnableToResolve(f"The seat of {seat.worker_name} was cleared up meanwhile.")
        event = _event(
            seat.worker, actor=by, now=now, before=f"In doubt: {seat.doubt.label}", after="Resolved", detail=note, seat=seat
        )
        event.from_address = from_address
        event.save()
        if seat.worker is not None:
            events.tell_seat(seat.worker, events.SEAT_SETTLED, by=by, at=now, reason=seat.doubt.value, detail=note)
        events.announce_licenses()


def _tell(worker: Worker, *, operation: Operation | None = None, **words: object) -> None:
    Event.objects.bulk_create(record.credited([_event(worker, **words)], operation))  # type: ignore[arg-type]


def _event(
    worker: Worker | None,
    *,
    actor: Actor,
    now: datetime,
    before: str = "",
    after: str = "",
    detail: str = "",
    seat: DoubtfulSeat | None = None,
) -> Event:
    """A line of the audit; of a worker whose row is gone it keeps the name alone."""
    about = worker or Worker(name=seat.worker_name if seat else "")
    event = record.event_of(about, EventKind.SEAT, actor=actor, now=now, before=before, after=after, detail=detail)
    if worker is None:
        event.worker = None
    return event
