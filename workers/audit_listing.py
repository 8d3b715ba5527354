"""The audit page's address: filters and the place in the list, read from the query string and written back into links.

Pages are found by the key (at, id) of the line they begin after, not by their number: the database then reads one page's worth of the
index, however many lines there are.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date

from workers.choices import ActorKind, EventFamily, EventKind
from workers.models import Event
from workers.models.event import EventQuerySet
from workers.operation_listing import chosen, identity, words

PAGE_SIZE = 50
COUNTED = 10_000  # beyond that "more than" is said: counting all would read all
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9998, 12, 31, tzinfo=UTC)


class Place(NamedTuple):
    """Where in the list, which is ordered by these two: between the line with this key and its neighbour."""

    at: datetime
    id: int

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """From "<microseconds since 1970>-<id>"; None for anything else."""
        at, dash, number = text.partition("-")
        if not dash or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (at, number)):
            return None
        span = timedelta(microseconds=int(at))
        return cls(_EPOCH + span, int(number)) if span < _LATEST - _EPOCH else None

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}-{self.id}"


def older_than(place: Place) -> Q:
    """Lines after `place` in the list. The first condition is what the index is entered by."""
    return Q(at__lte=place.at) & (Q(at__lt=place.at) | Q(id__lt=place.id))


def newer_than(place: Place) -> Q:
    """Lines before `place` in the list."""
    return Q(at__gte=place.at) & (Q(at__gt=place.at) | Q(id__gt=place.id))


class AuditPage(NamedTuple):
    """Lines, newest first, and the places to go on from; None where the list ends."""

    events: list[Event]
    older: Place | None
    newer: Place | None


def _day(text: str) -> date | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day and 1970 <= day.year < 9999 else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


@dataclass(frozen=True, kw_only=True)
class AuditQuery:
    """What the audit page shows. Odd values in the address are dropped, never an error. Days are the viewer's."""

    families: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    person: str = ""
    q: str = ""  # a part of the name of the worker, lab or person that it is about, or the worker's instance id
    since: date | None = None
    until: date | None = None  # this day, too
    operation: uuid.UUID | None = None
    before: Place | None = field(default=None)
    after: Place | None = field(default=None)

    @classmethod
    def parse(cls, data: QueryDict) -> AuditQuery:
        """Read the query string."""
        return cls(
            families=chosen(data, "about", EventFamily.values),
            kinds=chosen(data, "kind", EventKind.values),
            actors=chosen(data, "by", ActorKind.values),
            person=words(data, "person"),
            q=words(data, "q"),
            since=_day(data.get("from", "")),
            until=_day(data.get("to", "")),
            operation=identity(data.get("operation", "")),
            before=Place.parse(data.get("before", "")),
            after=Place.parse(data.get("after", "")),
        )

    def apply(self, events: EventQuerySet) -> EventQuerySet:
        """The matching lines, without an order."""
        if self.families:
            events = events.filter(kind__in=[kind.value for kind in EventKind if kind.family in self.families])
        if self.kinds:
            events = events.filter(kind__in=self.kinds)
        if self.actors:
            events = events.filter(actor_kind__in=self.actors)
        if self.person:
            events = events.filter(actor_name__icontains=self.person)
        if self.q:
            named = Q(worker_name__icontains=self.q) | Q(subject_name__icontains=self.q)
            events = events.filter(named | Q(worker__instance_id=self.q))
        if self.since:
            events = events.filter(at__gte=_midnight(self.since))
        if self.until:
            events = events.filter(at__lt=_midnight(self.until + timedelta(days=1)))
        return events.filter(operation=self.operation) if self.operation else events

    def page(self, events: EventQuerySet) -> AuditPage:
        """The page that the address means, with what a row shows. One query."""
        found = self.apply(events).select_related("worker", "operation")
        if self.after:
            newer = list(found.filter(newer_than(self.after)).order_by("at", "id")[: PAGE_SIZE + 1])
            if len(newer) > PAGE_SIZE:
                shown = newer[PAGE_SIZE - 1 :: -1]
                return AuditPage(shown, _place(shown[-1]), _place(shown[0]))
        # Less than a page is newer: the newest page, whole.
        start = self.before if not self.after else None
        rows = list((found.filter(older_than(start)) if start else found).order_by("-at", "-id")[: PAGE_SIZE + 1])
        shown = rows[:PAGE_SIZE]
        older = _place(shown[-1]) if len(rows) > PAGE_SIZE else None
        return AuditPage(shown, older, _place(shown[0]) if shown and start else None)

    def count(self, events: EventQuerySet) -> str:
        """How many lines match, in words."""
        number = self.apply(events).order_by()[: COUNTED + 1].count()
        if number > COUNTED:
            return f"More than {COUNTED:,} lines"
        return f"{number:,} line{'' if number == 1 else 's'}"

    @property
    def is_filtered(self) -> bool:
        return self.filters() != []

    def filters(self) -> list[tuple[str, str]]:
        """The query string's pairs without the place in the list."""
        pairs = [("about", family) for family in self.families]
        pairs += [("kind", kind) for kind in self.kinds] + [("by", kind) for kind in self.actors]
        values = {"q": self.q, "person": self.person, "from": self.since, "to": self.until, "operation": self.operation}
        return pairs + [(key, str(value)) for key, value in values.items() if value]

    def url(self, **place: Place | None) -> str:
        """A link to this view: from its newest line, or older (`before`) or newer (`after`) than a place."""
        return "?" + urlencode(self.filters() + [(key, str(value)) for key, value in place.items() if value])

    def chips(self) -> list[dict[str, str]]:
        """One removable chip for each filter in force."""
        labels = {
            "about": lambda value: f"About: {EventFamily(value).label}",
            "kind": lambda value: EventKind(value).label,
            "by": lambda value: f"By: {ActorKind(value).label}",
            "q": lambda value: f"Name: “{value}”",
            "person": lambda value: f"Who: “{value}”",
            "from": lambda value: f"From {value}",
            "to": lambda value: f"To {value}",
            "operation": lambda value: f"Operation {value[:8]}…",
        }
        pairs = self.filters()
        return [
            {"label": str(labels[key](value)), "url": "?" + urlencode([other for other in pairs if other != (key, value)])}
            for key, value in pairs
        ]


def in_chunks(events: EventQuerySet, *, size: int, most: int) -> Iterator[list[Event]]:
    """The lines, newest first, at most `most`, in lists of `size`: each is a query of its own, so that no cursor stays open."""
    place: Place | None = None
    left = most
    while left > 0:
        rows = events.filter(older_than(place)) if place else events
        chunk = list(rows.order_by("-at", "-id")[: min(size, left)])
        if not chunk:
            return
        yield chunk
        left -= len(chunk)
        place = _place(chunk[-1])


def _place(event: Event) -> Place:
    return Place(event.at, event.pk)
