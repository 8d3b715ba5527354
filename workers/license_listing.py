"""The licences page's address, and what it counts: accounts, workers, seats in doubt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, Count, F, IntegerField, Min, Q, QuerySet, Sum, Value, When
from django.http import QueryDict

from workers.choices import LicenseState, MachineState
from workers.models import DoubtfulSeat, Worker
from workers.operation_listing import chosen, words
from workers.querysets import WorkerQuerySet

PAGE_SIZE = 50
SEATS_SIZE = 10
MOST_ACCOUNTS = 100

_S = LicenseState
TROUBLED = (_S.OUT_OF_COMPLIANCE, _S.EXPIRED, _S.FAILED)
WAITING = (_S.UNREGISTERED, _S.EVALUATION, _S.IN_PROGRESS, _S.OTHER)
WORST = Case(
    When(license_state__in=[state.value for state in TROUBLED], then=Value(0)),
    When(license_state__in=[state.value for state in WAITING], then=Value(1)),
    When(license_state=_S.REGISTERED.value, then=Value(2)),
    default=Value(3),
    output_field=IntegerField(),
)
# key → (heading, fields, numeric)
COLUMNS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "name": ("Worker", ("name",), False),
    "state": ("Licence", ("license_state",), False),
    "account": ("Account", ("smart_account", "virtual_account"), False),
    "nodes": ("Nodes", ("license_nodes_in_use",), True),
    "registration": ("Registration ends", ("license_expires_at",), False),
    "authorization": ("Authorization ends", ("authorization_expires_at",), False),
    "age": ("Read", ("license_read_at",), True),
}


def _page(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and 0 < len(text) < 7 else 1


@dataclass(frozen=True, kw_only=True)
class LicensesQuery:
    """What the licences page shows. Odd values in the address are dropped, never an error."""

    q: str = ""
    states: tuple[str, ...] = ()
    account: str | None = None  # a smart account, "" for those without; None for all
    virtual: str | None = None
    resolved: bool = False  # the seats that were cleared up instead of those in doubt
    sort: str = ""
    descending: bool = False
    page: int = 1
    seats_page: int = 1

    @classmethod
    def parse(cls, data: QueryDict) -> LicensesQuery:
        """Read the query string."""
        sort = data.get("sort", "")
        key = sort.removeprefix("-")
        account = data.get("account")
        return cls(
            q=words(data, "q"),
            states=chosen(data, "state", LicenseState.values),
            account=None if account is None else account.replace("\0", "")[:255],
            virtual=data.get("virtual", "").replace("\0", "")[:255] if account is not None and "virtual" in data else None,
            resolved=data.get("seats") == "resolved",
            sort=key if key in COLUMNS else "",
            descending=sort.startswith("-") and key in COLUMNS,
            page=_page(data.get("page", "")),
            seats_page=_page(data.get("seats_page", "")),
        )

    def apply(self, workers: WorkerQuerySet) -> WorkerQuerySet:
        """The matching workers in order: worst first unless sorted."""
        result = workers.listed(include_gone=False)
        if self.states:
            result = result.filter(license_state__in=self.states)
        for field, value in (("smart_account", self.account), ("virtual_account", self.virtual)):
            if value is not None:
                result = result.filter(**{field: value})
        if self.q:
            result = result.matching(self.q)
        if not self.sort:
            return result.alias(worst=WORST).order_by("worst", "name", "id")
        fields = COLUMNS[self.sort][1]
        order = [F(f).desc(nulls_last=True) if self.descending else F(f).asc(nulls_last=True) for f in fields]
        return result.order_by(*order, "name", "id")

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.states or self.account is not None)

    def pairs(self) -> list[tuple[str, str]]:
        """The query string's pairs, defaults left out."""
        pairs = [("q", self.q)] if self.q else []
        pairs += [("state", state) for state in self.states]
        pairs += [(key, value) for key, value in (("account", self.account), ("virtual", self.virtual)) if value is not None]
        if self.resolved:
            pairs.append(("seats", "resolved"))
        if self.sort:
            pairs.append(("sort", f"-{self.sort}" if self.descending else self.sort))
        pages = (("page", self.page), ("seats_page", self.seats_page))
        return pairs + [(key, str(number)) for key, number in pages if number != 1]

    def url(self, **changes: Any) -> str:
        """A link to this view with `changes`; the workers are back on page 1 unless a page is what changes."""
        if not {"page", "seats_page"} & set(changes):
            changes["page"] = 1
        pairs = replace(self, **changes).pairs()
        return "?" + urlencode(pairs) if pairs else "?"

    def chips(self) -> list[dict[str, str]]:
        """One removable chip for each filter in force."""
        chips = [{"label": f"Worker: “{self.q}”", "url": self.url(q="")}] if self.q else []
        for state in self.states:
            rest = tuple(other for other in self.states if other != state)
            chips.append({"label": str(LicenseState(state).label), "url": self.url(states=rest)})
        if self.account is not None:
            label = " / ".join(filter(None, [self.account, self.virtual])) or "none"
            chips.append({"label": f"Account: {label}", "url": self.url(account=None, virtual=None)})
        return chips

    def columns(self) -> list[dict[str, Any]]:
        """Headings with the link that sorts by each, and how each is sorted now."""
        return [self._column(key, label, numeric) for key, (label, _, numeric) in COLUMNS.items()]

    def _column(self, key: str, label: str, numeric: bool) -> dict[str, Any]:
        current = self.sort == key
        descending = not self.descending if current else key == "nodes"
        direction = ("descending" if self.descending else "ascending") if current else ""
        url = self.url(sort=key, descending=descending)
        return {"key": key, "label": label, "numeric": numeric, "sorted": direction, "url": url}


def accounts(workers: WorkerQuerySet, query: LicensesQuery) -> list[dict[str, Any]]:
    """Every smart and virtual account that a worker is registered in: what is in use of what CML allows, and what ends first.

    Lost machines are not counted: their seats are in doubt. Two queries.
    """
    here = workers.listed(include_gone=False).exclude(machine_state=MachineState.LOST).exclude(smart_account="")
    found = (
        here.order_by()
        .values("smart_account", "virtual_account")
        .annotate(
            workers=Count("pk"),
            troubled=Count("pk", filter=Q(license_state__in=[state.value for state in TROUBLED])),
            seats=Sum("seats_in_use"),
            seats_max=Sum("seats_max"),
            nodes=Sum("license_nodes_in_use"),
            nodes_max=Sum("license_nodes_max"),
            registration=Min("license_expires_at"),
            authorization=Min("authorization_expires_at"),
        )
        .order_by("-troubled", "smart_account", "virtual_account")[:MOST_ACCOUNTS]
    )
    doubts = {
        (smart, virtual): count
        for smart, virtual, count in DoubtfulSeat.objects.open()
        .order_by()
        .values_list("smart_account", "virtual_account")
        .annotate(n=Count("pk"))
    }
    return [_account(row, doubts, query) for row in found]


def _account(row: dict[str, Any], doubts: dict[tuple[str, str], int], query: LicensesQuery) -> dict[str, Any]:
    names = (row["smart_account"], row["virtual_account"])
    ends: list[tuple[datetime, str]] = [(row[key], key) for key in ("registration", "authorization") if row[key]]
    at, what = min(ends) if ends else (None, "")
    return row | {
        "doubtful": doubts.get(names, 0),
        "ends_at": at,
        "ends_what": what,
        "url": query.url(account=names[0], virtual=names[1]),
        "current": (query.account, query.virtual) == names,
    }


def seats(query: LicensesQuery) -> QuerySet[DoubtfulSeat]:
    """The seats in doubt, newest first; or those that were cleared up."""
    found = DoubtfulSeat.objects.select_related("worker")
    if query.resolved:
        return found.filter(resolved_at__isnull=False).order_by("-resolved_at", "-pk")
    return found.open().order_by("-since", "-pk")


def seat_of(worker: Worker) -> DoubtfulSeat | None:
    """The worker's seat in doubt, if it is."""
    return DoubtfulSeat.objects.open().filter(worker=worker).first()
