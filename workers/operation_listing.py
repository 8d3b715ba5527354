"""The operations page's address: filters and page, read from the query string and written back into links."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import QueryDict

from workers.choices import OperationKind, OperationState
from workers.models import Operation, OperationQuerySet, Worker

PAGE_SIZE = 50
MAX_TEXT = 100


def words(data: QueryDict, name: str) -> str:
    """A parameter as one line of text, bounded; PostgreSQL refuses NUL."""
    return " ".join(data.get(name, "").replace("\0", "").split())[:MAX_TEXT]


def chosen(data: QueryDict, name: str, allowed: list[str]) -> tuple[str, ...]:
    """The values of a facet that exist, each once."""
    return tuple(value for value in dict.fromkeys(data.getlist(name)) if value in allowed)


def identity(text: str) -> uuid.UUID | None:
    """The UUID that `text` spells, or None."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True)
class OperationsQuery:
    """What an operations page shows. Odd values in the address are dropped, never an error."""

    kinds: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    person: str = ""  # a part of the name of whoever asked
    q: str = ""  # a part of the worker's name, or its instance id
    worker: uuid.UUID | None = None
    in_flight: bool = False
    page: int = 1

    @classmethod
    def parse(cls, data: QueryDict) -> OperationsQuery:
        """Read the query string."""
        page = data.get("page", "")
        return cls(
            kinds=chosen(data, "kind", OperationKind.values),
            states=chosen(data, "state", OperationState.values),
            person=words(data, "person"),
            q=words(data, "q"),
            worker=identity(data.get("worker", "")),
            in_flight=data.get("flight") == "1",
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 else 1,
        )

    def apply(self, operations: OperationQuerySet) -> OperationQuerySet:
        """The matching operations, newest first. Looks into EC2 change nothing: they are listed only when asked for."""
        result = operations.filter(kind__in=self.kinds) if self.kinds else operations.exclude(kind=OperationKind.LOOK)
        if self.states:
            result = result.filter(state__in=self.states)
        if self.in_flight:
            result = result.in_flight()
        if self.worker:
            result = result.filter(worker=self.worker)
        if self.person:
            result = result.filter(actor_name__icontains=self.person)
        if self.q:
            named = Q(worker_name__icontains=self.q) | Q(worker__name__icontains=self.q) | Q(subject_name__icontains=self.q)
            result = result.filter(named | Q(worker__instance_id=self.q))
        return result.newest()

    @property
    def is_filtered(self) -> bool:
        return self.pairs(paged=False) != []

    def pairs(self, *, paged: bool = True) -> list[tuple[str, str]]:
        """The query string's pairs, defaults left out."""
        pairs = [("kind", kind) for kind in self.kinds] + [("state", state) for state in self.states]
        worker = str(self.worker) if self.worker else ""
        pairs += [(key, text) for key, text in (("q", self.q), ("person", self.person), ("worker", worker)) if text]
        if self.in_flight:
            pairs.append(("flight", "1"))
        if paged and self.page != 1:
            pairs.append(("page", str(self.page)))
        return pairs

    def url(self, **changes: Any) -> str:
        """A link to this view with `changes`; back on page 1 unless the page is what changes."""
        pairs = replace(self, **({"page": 1} | changes)).pairs()
        return "?" + urlencode(pairs)

    def chips(self) -> list[dict[str, str]]:
        """One removable chip for each filter in force."""
        chips = [{"label": f"Worker: “{self.q}”", "url": self.url(q="")}] if self.q else []
        if self.worker:
            worker = Worker.objects.filter(pk=self.worker).first()
            chips.append({"label": f"Worker: {worker or 'deleted'}", "url": self.url(worker=None)})
        facets = (("kinds", self.kinds, OperationKind), ("states", self.states, OperationState))
        for name, values, kind in facets:
            for value in values:
                rest = tuple(other for other in values if other != value)
                chips.append({"label": str(kind(value).label), "url": self.url(**{name: rest})})
        if self.person:
            chips.append({"label": f"Asked by: “{self.person}”", "url": self.url(person="")})
        if self.in_flight:
            chips.append({"label": "In flight", "url": self.url(in_flight=False)})
        return chips


def newest_of(worker: Worker, count: int) -> list[Operation]:
    """The latest operations of one worker."""
    return list(Operation.objects.filter(worker=worker).newest()[:count])
