"""The portal forgets a worker. What is in EC2 is not touched."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from workers import events
from workers.alert_choices import CloseReason
from workers.choices import EventKind, OperationKind
from workers.models import Operation, Worker
from workers.services import record
from workers.services.alerts.evaluation import close_all
from workers.services.operations import rules
from workers.services.operations.asking import Asker


class UnableToDelete(Exception):
    """Why the record stays, as a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def delete_record(*, worker: Worker, keep_instance: bool, by: Asker, now: datetime) -> None:
    """Delete the row with its samples; events and operations stay and keep the name. Raises UnableToDelete.

    `keep_instance` is the person's word that an instance that still exists is to go on without the portal.
    """
    with transaction.atomic():
        current = Worker.objects.select_for_update().filter(pk=worker.pk).first()
        if current is None:
            return  # somebody else was first, and it is gone as wanted
        ruling = rules.may_delete_record(current, keep_instance=keep_instance)
        if ruling.verdict != rules.Verdict.ACT:
            raise UnableToDelete(ruling.sentence)
        other = Operation.objects.in_flight().filter(worker=current).first()
        if other is not None:
            doing = OperationKind(other.kind).doing
            raise UnableToDelete(
                f"{doing} {other.subject_name or current} is on its way, asked by {other.asked_by}. Wait until it has ended."
            )
        close_all(worker=current, reason=CloseReason.DELETED, sentence="The worker’s record was deleted.", now=now)
        _tell(current, by, now)
        events.tell_worker(current, events.DELETED, by=by.actor, at=now)
        current.delete()
        events.announce_membership()
        events.announce_counts()


def _tell(worker: Worker, by: Asker, now: datetime) -> None:
    gone = rules.may_delete_record(worker, keep_instance=False).verdict == rules.Verdict.ACT
    event = record.event_of(
        worker,
        EventKind.DELETED,
        actor=by.actor,
        now=now,
        before=" ".join(filter(None, [worker.machine.label, worker.region, worker.instance_id])),
        after="No record" if gone else "No record; the instance was kept",
        detail=by.reason,
    )
    event.worker = None
    event.from_address = by.from_address
    event.save()
