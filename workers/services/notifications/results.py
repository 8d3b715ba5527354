"""What a try changes: the deliveries, how the target does, and when either comes next."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from workers import events
from workers.choices import EventKind
from workers.clients.notify import Outcome, Verdict
from workers.models import Delivery, NotificationTarget
from workers.notification_choices import DeliveryState
from workers.services import record
from workers.services.notifications import audit

MAX_ATTEMPTS = 8
# After the first failure, and at most: with the jitter, eight tries lie within 8 to 15 hours.
FIRST_DELAY, LONGEST_DELAY = 30.0, 4 * 3600.0
# A target that fails is left alone as a whole, so that a hundred waiting notices do not each knock. Short, to notice when it works again.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0
TOLD_AFTER = timedelta(minutes=15)  # of failing, for the audit


def delay_after(attempts: int) -> timedelta:
    """How long a notice waits after so many tries: 30 s, 2, 8, 32 min, 2 h, 4 h, 4 h, each up to half as long again."""
    return _spread(min(LONGEST_DELAY, FIRST_DELAY * 4.0 ** min(attempts - 1, 10)))


def pause_after(failures: int) -> timedelta:
    """How long a target is left alone after so many failures in a row: 5 s, 15 s, 45 s … 15 min, each up to half as long again."""
    return _spread(min(LONGEST_PAUSE, FIRST_PAUSE * 3.0 ** min(failures - 1, 10)))


def _spread(seconds: float) -> timedelta:
    return timedelta(seconds=seconds * random.uniform(1, 1.5))  # noqa: S311 (no secret)


def keep(
    target: NotificationTarget, deliveries: Sequence[Delivery], outcome: Outcome, *, took: timedelta, now: datetime
) -> None:
    """Write the outcome of one message down, in one transaction. If this is lost, the same message goes out again, with the same id."""
    with transaction.atomic():
        # Held by whom it may be now: the result is true all the same. Without the key, so that nobody who posts waits for it.
        current = NotificationTarget.objects.select_for_update(no_key=True).filter(pk=target.pk).first()
        if current is None:
            return  # deleted meanwhile, with all that was to be sent to it
        if outcome.verdict == Verdict.SENT:
            _sent(current, deliveries, outcome, took=took, now=now)
        else:
            _not_sent(current, deliveries, outcome, took=took, now=now)
        events.announce_notifications()


def _sent(
    target: NotificationTarget, deliveries: Sequence[Delivery], outcome: Outcome, *, took: timedelta, now: datetime
) -> None:
    digest = deliveries[0].event_id if len(deliveries) > 1 else None
    facts = _facts(outcome, took) | {"state": DeliveryState.SENT, "sent_at": now, "digest": digest}
    _pending(deliveries).update(**facts)
    if target.failing_told:
        after = f"“{target.name}” works again"
        audit.note(EventKind.NOTIFICATION_WELL, actor=record.SYSTEM, now=now, after=after)
    if target.failures > 1:
        # It was away: what waited goes out now, in its old order. After a single failure, what failed keeps its own time, because it
        # may be the only one that is not taken.
        Delivery.objects.filter(target=target, state=DeliveryState.PENDING).update(due_at=now)
    well = {"failures": 0, "failing_since": None, "failing_reason": "", "failing_told": False, "paused_until": None}
    NotificationTarget.objects.filter(pk=target.pk).update(succeeded_at=now, **well)


def _not_sent(
    target: NotificationTarget, deliveries: Sequence[Delivery], outcome: Outcome, *, took: timedelta, now: datetime
) -> None:
    wait = timedelta(seconds=outcome.retry_after) if outcome.retry_after else None
    for attempts in {delivery.attempts for delivery in deliveries}:
        ended = outcome.verdict != Verdict.LATER or attempts >= MAX_ATTEMPTS
        facts = _facts(outcome, took) | {"state": DeliveryState.FAILED if ended else DeliveryState.PENDING}
        same = [delivery for delivery in deliveries if delivery.attempts == attempts]
        _pending(same).update(**facts, due_at=now + (wait or delay_after(attempts)))
    failures = target.failures + 1
    since = target.failing_since or now
    told = target.failing_told
    if not told and now - since >= TOLD_AFTER:
        told = True
        after = f"“{target.name}” fails since {since:%-d %b, %H:%M} UTC"
        audit.note(EventKind.NOTIFICATION_FAILING, actor=record.SYSTEM, now=now, after=after, detail=outcome.sentence)
    # What is refused says nothing about the next one; what may pass does.
    pause = (wait or pause_after(failures)) if outcome.verdict == Verdict.LATER else None
    fails = {"failures": failures, "failing_since": since, "failing_reason": outcome.sentence[:500], "failing_told": told}
    NotificationTarget.objects.filter(pk=target.pk).update(paused_until=now + pause if pause else None, **fails)
    if outcome.verdict == Verdict.GONE:
        switch_off(target, because=outcome.sentence, now=now)


def switch_off(target: NotificationTarget, *, because: str, now: datetime) -> None:
    """Switch a target off by itself: whoever is there has said that nobody wants notices any more."""
    if NotificationTarget.objects.filter(pk=target.pk, enabled=True).update(enabled=False, off_because=because[:500]):
        drop_waiting(target)
        after = f"“{target.name}” switched off"
        audit.note(EventKind.NOTIFICATION, actor=record.SYSTEM, now=now, after=after, detail=because)


def drop_waiting(target: NotificationTarget) -> None:
    """What waits for a target that is off is not news any more when it is on again."""
    waiting = Delivery.objects.filter(target=target, state=DeliveryState.PENDING)
    waiting.update(state=DeliveryState.DROPPED, sentence="The target was switched off.")


def _pending(deliveries: Sequence[Delivery]) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk__in=[one.pk for one in deliveries], state=DeliveryState.PENDING)


def _facts(outcome: Outcome, took: timedelta) -> dict[str, object]:
    return {
        "took_ms": int(took.total_seconds() * 1000),
        "status": outcome.status,
        "sentence": outcome.sentence[:500],
        "answer": outcome.answer[:500],
    }
