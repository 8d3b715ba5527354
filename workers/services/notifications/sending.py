"""Empties the outbox: targets side by side, each in order, one sender at a time by a lease. One that hangs delays no other."""

from __future__ import annotations

import logging
import time
import uuid
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F

from cmlmanager import runtime
from workers import events
from workers.clients import notify
from workers.models import Delivery, NotificationTarget
from workers.notification_choices import DeliveryState, NoticeType
from workers.services.notifications import doors, results

logger = logging.getLogger(__name__)

PARALLEL = 16  # targets of one call
LEASE = timedelta(seconds=120)  # longer than BUDGET, the longest try and a slow name server together
BUDGET = 10.0  # seconds after which a call begins nothing new; what is left is the next tick's
BURST = timedelta(minutes=1)
IN_DIGEST = 1_000  # of one message; what is beyond waits for the next
EXPIRED = "Not accepted within a day; the last reason was: {}"
NEVER_TRIED = "Not sent within a day: the target did not work, or the portal was not running."


@dataclass
class Clock:
    """Moments that follow the caller's `now`."""

    start: datetime
    begun: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds())


@dataclass
class Turn:
    """One message on its way: its target, the notices in it, and since when (seconds of the clock)."""

    target: NotificationTarget
    deliveries: list[Delivery]
    since: float


def send_due(*, now: datetime) -> int:
    """Send what is due to targets that nobody else is sending to; returns how many messages were tried. Any number may run at once."""
    clock = Clock(now)
    _expire(now)
    owner = uuid.uuid4()
    targets = _claim(owner, now=now)
    if not targets:
        return 0
    tried = 0
    pool = ThreadPoolExecutor(max_workers=len(targets), thread_name_prefix="notify")
    try:
        turns: dict[Future[notify.Outcome], Turn] = {}
        for target in targets:
            _begin(pool, turns, target, clock)
        while turns:
            done, _ = wait(turns, return_when=FIRST_COMPLETED)
            for future in done:
                turn = turns.pop(future)
                tried += 1
                _finish(turn, future, clock)
                if clock.seconds() < BUDGET:
                    _begin(pool, turns, turn.target, clock)
                else:
                    _release(turn.target)
    finally:
        # When the task's time limit strikes, threads that still wait for a server must not hold the process.
        pool.shutdown(wait=False, cancel_futures=True)
    return tried


def _claim(owner: uuid.UUID, *, now: datetime) -> list[NotificationTarget]:
    """Take targets with something due, those that work first; each by compare-and-swap, so that two senders never have the same."""
    claimed = []
    for pk in NotificationTarget.objects.due(now).order_by("failures", "pk").values_list("pk", flat=True)[: PARALLEL * 2]:
        free = NotificationTarget.objects.due(now).filter(pk=pk)
        if free.update(lease_owner=owner, lease_until=now + LEASE):
            claimed.append(NotificationTarget.objects.get(pk=pk))
        if len(claimed) == PARALLEL:
            break
    return claimed


def _release(target: NotificationTarget) -> None:
    NotificationTarget.objects.filter(pk=target.pk, lease_owner=target.lease_owner).update(lease_owner=None, lease_until=None)


def _begin(
    pool: ThreadPoolExecutor, turns: dict[Future[notify.Outcome], Turn], target: NotificationTarget, clock: Clock
) -> None:
    """Send the target's next message, or give the target back when there is none."""
    now = clock.now()
    mine = NotificationTarget.objects.filter(pk=target.pk, lease_owner=target.lease_owner, enabled=True)
    if not mine.update(lease_until=now + LEASE):
        return _release(target)  # switched off, or taken over, meanwhile
    target = mine.get()
    deliveries = _next(target, now=now)
    if not deliveries:
        return _release(target)
    # Counted before it is sent: a sender that dies on the way has tried.
    keys = [one.pk for one in deliveries]
    Delivery.objects.filter(pk__in=keys, state=DeliveryState.PENDING).update(attempts=F("attempts") + 1, tried_at=now)
    for one in deliveries:
        one.attempts += 1
    turns[pool.submit(_send, target, deliveries, now)] = Turn(target, deliveries, clock.seconds())
    return None


def _send(target: NotificationTarget, deliveries: list[Delivery], now: datetime) -> notify.Outcome:
    """In a thread of its own, without the database."""
    return doors.prepare(target, deliveries, now=now)()


def _next(target: NotificationTarget, *, now: datetime) -> list[Delivery]:
    """What goes out as the target's next message. A program gets notice by notice.

    People get at most NOTIFY_BURST messages a minute. When more than what is left of these waits, all of it becomes one digest, and
    then the target is held until its minute is over.
    """
    if target.paused_until and target.paused_until > now:
        return []
    waiting = Delivery.objects.waiting(target, now)
    if tests := list(waiting.filter(type=NoticeType.TEST)[:1]):
        return tests  # somebody looks whether it arrives: alone, and before all others
    if not target.way.for_people:
        return list(waiting[:1])
    if target.burst_from is None or target.burst_from + BURST <= now:
        target.burst_from, target.burst_sent = now, 0
    left = runtime.value("NOTIFY_BURST") - target.burst_sent
    if left <= 0:
        hold = target.burst_from + BURST
        NotificationTarget.objects.filter(pk=target.pk, lease_owner=target.lease_owner).update(paused_until=hold)
        return []
    found = list(waiting[:IN_DIGEST])
    if not found:
        return []
    chosen = found[:1] if len(found) <= left else found
    target.burst_sent += 1 if len(chosen) == 1 else left
    counted = {"burst_from": target.burst_from, "burst_sent": target.burst_sent}
    NotificationTarget.objects.filter(pk=target.pk, lease_owner=target.lease_owner).update(**counted)
    return chosen


def _finish(turn: Turn, future: Future[notify.Outcome], clock: Clock) -> None:
    try:
        outcome = future.result()
    except Exception as error:
        # Only the kind of the error: its text may hold an address.
        logger.error("A notification could not be sent, by a mistake of the portal: %s", type(error).__name__)  # noqa: TRY400
        outcome = notify.Outcome(
            verdict=notify.Verdict.LATER, sentence="The portal made a mistake; the log has the kind of it."
        )
    took = timedelta(seconds=clock.seconds() - turn.since)
    results.keep(turn.target, turn.deliveries, outcome, took=took, now=clock.now())


def _expire(now: datetime) -> None:
    """Give up what is too old to be news, whether or not its target could be tried."""
    late = Delivery.objects.filter(state=DeliveryState.PENDING, expires_at__lte=now)
    gone = 0
    for delivery in late[:500]:
        reason = EXPIRED.format(delivery.sentence) if delivery.sentence else NEVER_TRIED
        gone += late.filter(pk=delivery.pk).update(state=DeliveryState.FAILED, sentence=reason[:500])
    if gone:
        events.announce_notifications()
