"""A person asks for fresh knowledge of one worker."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from accounts.models import User
from cmlmanager import runtime
from workers import queue
from workers.choices import ActorKind, EventKind, MachineState
from workers.models import Event, Worker
from workers.services import record, resting

LEASE = timedelta(minutes=2)  # a request that nobody served for so long counts no more
PER_PERSON = 10  # requests a minute


class UnableToRefresh(Exception):
    """Why not, as a sentence for the person, and in how many seconds to try again (0: waiting does not help)."""

    def __init__(self, reason: str, sentence: str, wait_seconds: int = 0) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.wait_seconds = wait_seconds


def request_refresh(*, worker: Worker, by: User, now: datetime, from_address: str | None = None) -> None:
    """Have `worker` read from EC2 and CML now. Raises UnableToRefresh: not running, paused, already queued, about to run anyway,
    rate limited.
    """
    _refuse_unless_useful(worker, now)
    _refuse_if_often(worker, by, now)
    with transaction.atomic():
        free = Q(refresh_asked_at__isnull=True) | Q(refresh_asked_at__lte=now - LEASE)
        taken = Worker.objects.filter(free, pk=worker.pk, machine_state=MachineState.RUNNING)
        if not taken.update(refresh_asked_at=now, refreshed_on_demand_at=now, aws_due_at=now, cml_due_at=now, labs_due_at=now):
            raise _queued(worker.refresh_asked_at or now, now)
        actor = record.Actor(kind=ActorKind.PERSON, user=by)
        record.event_of(worker, EventKind.REFRESH, actor=actor, now=now, from_address=from_address).save()
        queue.refresh_region(region=worker.region, account=worker.account)
        queue.refresh_cml()


def request_many(
    *, workers: Iterable[Worker], by: User, now: datetime, from_address: str | None = None
) -> list[tuple[Worker, UnableToRefresh | None]]:
    """Have each of `workers` read, and say of each why not, or None."""
    asked: list[tuple[Worker, UnableToRefresh | None]] = []
    for worker in workers:
        try:
            request_refresh(worker=worker, by=by, now=now, from_address=from_address)
            asked.append((worker, None))
        except UnableToRefresh as refusal:
            asked.append((worker, refusal))
    return asked


def _refuse_unless_useful(worker: Worker, now: datetime) -> None:
    if worker.machine != MachineState.RUNNING:
        raise UnableToRefresh(
            "not_running", f"{worker} is {worker.machine.label.lower()}: there is nothing to ask while it is not running."
        )
    if worker.refresh_asked_at and now - worker.refresh_asked_at < LEASE:
        raise _queued(worker.refresh_asked_at, now)
    if rests := resting.why("cml"):
        raise UnableToRefresh("paused", f"{worker} was not refreshed: reading CML servers is paused {rests}.")
    soon = timedelta(seconds=min(10, runtime.value("CML_INTERVAL") / 5))
    if worker.cml_due_at is None or worker.cml_due_at - now <= soon:
        wait = _seconds(worker.cml_due_at - now) if worker.cml_due_at else 0
        raise UnableToRefresh("about_to_run", f"{worker} is about to be refreshed anyway{_in(wait)}.", wait)


def _refuse_if_often(worker: Worker, by: User, now: datetime) -> None:
    cooldown = timedelta(seconds=runtime.value("REFRESH_COOLDOWN"))
    if worker.refreshed_on_demand_at and now - worker.refreshed_on_demand_at < cooldown:
        wait = _seconds(worker.refreshed_on_demand_at + cooldown - now)
        raise UnableToRefresh("rate_limited", f"{worker} was refreshed on demand a moment ago; try again{_in(wait)}.", wait)
    minute = timedelta(minutes=1)
    asked = (
        Event.objects.filter(kind=EventKind.REFRESH, actor=by, at__gt=now - minute).order_by("at").values_list("at", flat=True)
    )
    times = list(asked[:PER_PERSON])
    if len(times) == PER_PERSON:
        wait = _seconds(times[0] + minute - now)
        raise UnableToRefresh("rate_limited", f"You asked for {PER_PERSON} refreshes in a minute; try again{_in(wait)}.", wait)


def _queued(asked_at: datetime, now: datetime) -> UnableToRefresh:
    wait = _seconds(asked_at + LEASE - now)
    return UnableToRefresh(
        "already_queued", f"A refresh was already asked for {_seconds(now - asked_at)} s ago and is on its way.", wait
    )


def _seconds(span: timedelta) -> int:
    return max(0, math.ceil(span.total_seconds()))


def _in(seconds: int) -> str:
    return f" in {seconds} s" if seconds else ""
