"""The labs page's address: filters, order, grouping and page, read from the query string and written back into links."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import F
from django.http import QueryDict

from labs.choices import Standing
from labs.querysets import LabQuerySet
from workers.models import Worker
from workers.operation_listing import chosen, identity, words

PAGE_SIZES = (25, 50, 100)  # the stream's address names each row: 200 would not fit the 8 kB that proxies allow
DEFAULT_SIZE = 50
MOST_VALUES = 20  # of one facet in an address

# key → (heading, field, numeric: from the highest down at first). Order of the columns on the page.
COLUMNS = (
    ("title", "Lab", "title", False),
    ("state", "State", "rank", False),
    ("worker", "Worker", "worker_name", False),
    ("owner", "Owner", "owner_username", False),
    ("nodes", "Nodes", "nodes_running", True),
    ("changed", "Changed in CML", "cml_modified_at", True),
    ("age", "Read", "worker__labs_succeeded_at", True),
)
_SORTS = {key: (field, numeric) for key, _, field, numeric in COLUMNS}
DEFAULT_SORT = "title"
NOBODY = "-"  # as an owner in the address: CML named none


def _plain(data: QueryDict, name: str, longest: int) -> tuple[str, ...]:
    """The values of a facet whose choices are data, each once; PostgreSQL refuses NUL."""
    values = (value.replace("\0", "")[:longest] for value in data.getlist(name))
    return tuple(value for value in dict.fromkeys(values) if value)[:MOST_VALUES]


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else default


@dataclass(frozen=True, kw_only=True)
class LabsQuery:
    """What a labs page shows. Odd values in the address are dropped, never an error: links outlive choices."""

    q: str = ""
    workers: tuple[uuid.UUID, ...] = ()
    states: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    gone: bool = False
    grouped: bool = False
    sort: str = DEFAULT_SORT
    descending: bool = False
    size: int = DEFAULT_SIZE
    page: int = 1

    @classmethod
    def parse(cls, data: QueryDict) -> LabsQuery:
        """Read the query string."""
        sort = data.get("sort", "")
        key = sort.removeprefix("-")
        size = _number(data.get("size", ""), DEFAULT_SIZE)
        ids = (identity(text) for text in data.getlist("worker"))
        return cls(
            q=words(data, "q"),
            workers=tuple(dict.fromkeys(pk for pk in ids if pk))[:MOST_VALUES],
            states=chosen(data, "state", Standing.values),
            owners=_plain(data, "owner", 64),
            regions=_plain(data, "region", 32),
            gone=data.get("gone") == "1",
            grouped=data.get("group") == "worker",
            sort=key if key in _SORTS else DEFAULT_SORT,
            descending=sort.startswith("-") and key in _SORTS,
            size=size if size in PAGE_SIZES else DEFAULT_SIZE,
            page=max(1, _number(data.get("page", ""), 1)),
        )

    def apply(self, labs: LabQuerySet) -> LabQuerySet:
        """The matching labs in order. Within a facet any may match, between facets all must."""
        result = labs.with_standing().listed(include_gone=self.gone or Standing.GONE in self.states)
        if self.states:
            result = result.filter(shown_as__in=self.states)
        if self.workers:
            result = result.filter(worker__in=self.workers)
        if self.owners:
            result = result.filter(owner_username__in=["" if owner == NOBODY else owner for owner in self.owners])
        if self.regions:
            result = result.filter(worker__region__in=self.regions)
        return self._order(result.matching(self.q) if self.q else result)

    def _order(self, labs: LabQuerySet) -> LabQuerySet:
        field, _ = _SORTS[self.sort]
        # Unknown figures come last either way: they are no answer to "which is highest" nor to "which is lowest".
        order = F(field).desc(nulls_last=True) if self.descending else F(field).asc(nulls_last=True)
        return labs.order_by(*(("worker_name", "worker_id") if self.grouped else ()), order, "title", "id")

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.workers or self.states or self.owners or self.regions)

    def filters(self) -> list[tuple[str, str]]:
        """The query string's pairs that choose labs."""
        pairs = [("q", self.q)] if self.q else []
        pairs += [("worker", str(pk)) for pk in self.workers]
        for key, values in (("state", self.states), ("owner", self.owners), ("region", self.regions)):
            pairs += [(key, value) for value in values]
        return pairs + ([("gone", "1")] if self.gone else [])

    def pairs(self) -> list[tuple[str, str]]:
        """The query string's pairs, defaults left out."""
        pairs = self.filters()
        if self.grouped:
            pairs.append(("group", "worker"))
        if (self.sort, self.descending) != (DEFAULT_SORT, False):
            pairs.append(("sort", f"-{self.sort}" if self.descending else self.sort))
        if self.size != DEFAULT_SIZE:
            pairs.append(("size", str(self.size)))
        if self.page != 1:
            pairs.append(("page", str(self.page)))
        return pairs

    def url(self, **changes: Any) -> str:
        """A link to this view with `changes`; back on page 1 unless the page is what changes."""
        return "?" + urlencode(replace(self, **({"page": 1} | changes)).pairs())

    def clear_url(self) -> str:
        """A link to this view without its filters."""
        return self.url(q="", workers=(), states=(), owners=(), regions=())

    def columns(self) -> list[dict[str, Any]]:
        """Headings with the link that sorts by each, and how each is sorted now."""
        return [self._column(key, label, numeric) for key, label, _, numeric in COLUMNS]

    def _column(self, key: str, label: str, numeric: bool) -> dict[str, Any]:
        current = self.sort == key
        descending = not self.descending if current else numeric and key != "age"
        direction = ("descending" if self.descending else "ascending") if current else ""
        url = self.url(sort=key, descending=descending)
        return {"key": key, "label": label, "numeric": numeric, "sorted": direction, "url": url}

    def chips(self) -> list[dict[str, str]]:
        """One removable chip for each filter in force."""
        chips = [{"label": f"“{self.q}”", "url": self.url(q="")}] if self.q else []
        names = {worker.pk: str(worker) for worker in Worker.objects.filter(pk__in=self.workers)} if self.workers else {}
        facets: tuple[tuple[str, tuple[Any, ...], str], ...] = (
            ("workers", self.workers, "Worker"),
            ("states", self.states, "State"),
            ("owners", self.owners, "Owner"),
            ("regions", self.regions, "Region"),
        )
        for name, values, heading in facets:
            for value in values:
                rest = tuple(other for other in values if other != value)
                chips.append({"label": f"{heading}: {_word(name, value, names)}", "url": self.url(**{name: rest})})
        return chips


def _word(facet: str, value: Any, names: dict[uuid.UUID, str]) -> str:
    if facet == "workers":
        return names.get(value, "deleted")
    if facet == "states":
        return str(Standing(value).label)
    return "nobody" if facet == "owners" and value == NOBODY else str(value)
