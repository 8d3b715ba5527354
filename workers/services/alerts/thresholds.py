"""Administrators change from which lines on there are alerts, and mute what nobody wants to hear of for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from workers import queue
from workers.alert_choices import AlertKind, Lines
from workers.alert_lines import Book, book, in_words, problem_of
from workers.choices import EventKind
from workers.models import AlertMute, AlertThreshold, Event, Worker
from workers.services.operations.asking import Asker


class UnableToSet(Exception):
    """Why nothing was changed, as a sentence. `kind` is the kind that it is about."""

    def __init__(self, sentence: str, *, kind: AlertKind) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.kind = kind


def set_lines(*, worker: Worker | None, wanted: Mapping[AlertKind, Lines | None], by: Asker, now: datetime) -> int:
    """Store the lines of these kinds for `worker`, or for the fleet; None goes back to the default. Returns how many changed.

    What equals the default is not stored unless it was asked to be. Every change leaves an event with before and after. Raises UnableToSet.
    """
    for kind, lines in wanted.items():
        problem = problem_of(kind, lines) if lines else ""
        if problem:
            raise UnableToSet(problem, kind=kind)
    with transaction.atomic():
        # Held, so that of two people the second one's "before" is what the first one left.
        list(AlertThreshold.objects.filter(worker=worker).order_by("id").select_for_update())
        before = book(now=now, worker_ids=[worker.pk] if worker else [])
        key = worker.pk if worker else None
        changes = {kind: lines for kind, lines in wanted.items() if before.thresholds.get((key, kind)) != lines}
        for kind, lines in changes.items():
            _store(worker, kind, lines)
        Event.objects.bulk_create([_event(worker, kind, before, lines, by=by, now=now) for kind, lines in changes.items()])
        if changes:
            queue.evaluate_alerts()
    return len(changes)


def _store(worker: Worker | None, kind: AlertKind, lines: Lines | None) -> None:
    if lines is None:
        AlertThreshold.objects.filter(worker=worker, kind=kind).delete()
        return
    fields = {"warning": lines.warning, "critical": lines.critical, "minutes": lines.minutes}
    AlertThreshold.objects.update_or_create(worker=worker, kind=kind, defaults=fields)


def _event(worker: Worker | None, kind: AlertKind, before: Book, lines: Lines | None, *, by: Asker, now: datetime) -> Event:
    old = before.setting(worker.pk if worker else None, kind)
    new = f"{in_words(kind, lines)}" if lines else f"{in_words(kind, old.default)} (default)"
    return _line(
        worker,
        EventKind.ALERT_LINES,
        before=in_words(kind, old.lines) + ("" if old.lines != old.default else " (default)"),
        after=new,
        detail=f"{kind.label}{'' if worker else ', for the fleet'}",
        by=by,
        now=now,
    )


def mute(*, worker: Worker | None, kind: AlertKind, until: datetime | None, reason: str, by: Asker, now: datetime) -> AlertMute:
    """Open no alerts of this kind until then (None: until lifted); what is open closes. Muting again replaces. Raises UnableToSet."""
    reason = reason.strip()
    if not reason:
        raise UnableToSet("Say why it is muted: others will wonder.", kind=kind)
    if until is not None and until <= now:
        raise UnableToSet("That moment has passed.", kind=kind)
    fields = {
        "until": until,
        "reason": reason[:500],
        "muted_at": now,
        "muted_by": by.actor.user,
        "muted_name": by.actor.name[:150],
    }
    end = f"until {until:%H:%M on %-d %b %Y} UTC" if until else "until lifted"
    try:
        with transaction.atomic():
            found, _ = AlertMute.objects.update_or_create(worker=worker, kind=kind, defaults=fields)
            _line(worker, EventKind.ALERT_MUTED, after=end, detail=f"{kind.label}: {reason}", by=by, now=now).save()
            queue.evaluate_alerts()
    except IntegrityError:
        raise UnableToSet("Somebody else muted it at the same moment.", kind=kind) from None
    return found


def unmute(*, worker: Worker | None, kind: AlertKind, by: Asker, now: datetime) -> bool:
    """Hear of this kind again; returns whether it was muted."""
    with transaction.atomic():
        deleted, _ = AlertMute.objects.filter(worker=worker, kind=kind).delete()
        if deleted:
            _line(worker, EventKind.ALERT_UNMUTED, after="heard again", detail=kind.label, by=by, now=now).save()
            queue.evaluate_alerts()
    return bool(deleted)


def _line(
    worker: Worker | None, kind: EventKind, *, by: Asker, now: datetime, before: str = "", after: str = "", detail: str = ""
) -> Event:
    return Event(
        at=now,
        kind=kind,
        worker=worker,
        worker_name=str(worker)[:255] if worker else "",
        actor_kind=by.actor.kind,
        actor=by.actor.user,
        actor_name=by.actor.name[:150],
        from_address=by.from_address,
        before=before[:500],
        after=after[:500],
        detail=detail[:500],
    )
