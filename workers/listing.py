"""The fleet page's address: filters, order and page, read from the query string and written back into links."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import F
from django.http import QueryDict

from workers import aws_accounts
from workers.choices import Attention, MachineState, ServiceState
from workers.models import Alert
from workers.querysets import FleetCounts, WorkerQuerySet

PAGE_SIZES = (25, 50, 100)  # the stream's address names each row: 200 would not fit the 8 kB that proxies allow
DEFAULT_SIZE = 50
MAX_TEXT = 100

# key → (heading, field, numeric). Order of the columns on the page; a key of "" cannot be sorted by.
COLUMNS = (
    ("name", "Worker", "name", False),
    ("state", "Machine", "machine_state", False),
    ("service", "CML", "service_state", False),
    ("license", "Licence", "license_state", False),
    ("labs", "Labs", "labs_running", True),
    ("nodes", "Nodes", "nodes_running", True),
    ("cpu", "CPU", "cpu", True),
    ("memory", "Memory", "memory", True),
    ("disk", "Disk", "disk", True),
    ("age", "Checked", "aws_succeeded_at", True),
)
SORTS = {key: (field, numeric) for key, _, field, numeric in COLUMNS} | {
    "region": ("region", False),
    "type": ("instance_type", False),
    "account": ("account", False),
}
WORST_FIRST = "attention"


def _choices(values: list[str], allowed: list[str] | None) -> tuple[str, ...]:
    return tuple(value for value in dict.fromkeys(values) if value and (allowed is None or value in allowed))


def _text(data: QueryDict, name: str) -> str:
    # PostgreSQL refuses NUL in text.
    return data.get(name, "").replace("\0", "")


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else default


@dataclass(frozen=True, kw_only=True)
class FleetQuery:
    """What a fleet page shows. Odd values in the address are dropped, never an error: links outlive choices."""

    q: str = ""
    accounts: tuple[str, ...] = ()  # names, as workers.aws_accounts shows them
    regions: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    attention: str = ""
    tag: str = ""
    alerts: bool = False  # only those with an open one
    gone: bool = False
    sort: str = WORST_FIRST
    descending: bool = False
    size: int = DEFAULT_SIZE
    page: int = 1

    @classmethod
    def parse(cls, data: QueryDict) -> FleetQuery:
        """Read the query string."""
        sort = data.get("sort", "")
        descending = sort.startswith("-")
        key = sort.removeprefix("-")
        size = _number(data.get("size"), DEFAULT_SIZE)
        return cls(
            q=" ".join(_text(data, "q").split())[:MAX_TEXT],
            accounts=_choices([name.replace("\0", "")[:32] for name in data.getlist("account")], None)[:20],
            regions=_choices([region.replace("\0", "")[:32] for region in data.getlist("region")], None)[:20],
            states=_choices(data.getlist("state"), MachineState.values),
            services=_choices(data.getlist("service"), ServiceState.values),
            attention=next(iter(_choices(data.getlist("attention"), Attention.values)), ""),
            tag=_text(data, "tag").strip()[: 128 + 1 + 256],
            alerts=data.get("alerts") == "1",
            gone=data.get("gone") == "1",
            sort=key if key in SORTS else WORST_FIRST,
            descending=descending and key in SORTS,
            size=size if size in PAGE_SIZES else DEFAULT_SIZE,
            page=max(1, _number(data.get("page"), 1)),
        )

    def apply(self, workers: WorkerQuerySet) -> WorkerQuerySet:
        """The matching workers in order. Within a facet any may match, between facets all must."""
        # A machine that could not be created may have an alert; terminated ones have none.
        gone = self.gone or self.alerts or bool({"terminated", "failed"} & set(self.states)) or self.attention == Attention.GONE
        result = workers.listed(include_gone=gone)
        for field, values in (("region", self.regions), ("machine_state", self.states), ("service_state", self.services)):
            if values:
                result = result.filter(**{f"{field}__in": values})
        if self.accounts:
            result = result.filter(account__in=[aws_accounts.key_of(name) for name in self.accounts])
        if self.attention:
            result = result.filter(attention=self.attention)
        if self.alerts:
            result = result.filter(pk__in=Alert.objects.open().filter(worker__isnull=False).values("worker"))
        if self.tag:
            key, separator, value = self.tag.partition("=")
            result = result.with_tag(key, value if separator else None)
        return self._order(result.matching(self.q) if self.q else result)

    def _order(self, workers: WorkerQuerySet) -> WorkerQuerySet:
        if self.sort == WORST_FIRST:
            return workers.order_by("attention", "name", "id")
        field, _ = SORTS[self.sort]
        # Unknown figures come last either way: they are no answer to "which is highest" nor to "which is lowest".
        order = F(field).desc(nulls_last=True) if self.descending else F(field).asc(nulls_last=True)
        return workers.order_by(order, "name", "id")

    @property
    def is_filtered(self) -> bool:
        facets = self.accounts or self.regions or self.states or self.services
        return bool(self.q or facets or self.attention or self.tag or self.alerts)

    def pairs(self) -> list[tuple[str, str]]:
        """The query string's pairs, defaults left out."""
        pairs = [("q", self.q)] if self.q else []
        facets = (
            ("account", self.accounts),
            ("region", self.regions),
            ("state", self.states),
            ("service", self.services),
        )
        for key, values in facets:
            pairs += [(key, value) for value in values]
        pairs += [(key, value) for key, value in (("attention", self.attention), ("tag", self.tag)) if value]
        if self.alerts:
            pairs.append(("alerts", "1"))
        if self.gone:
            pairs.append(("gone", "1"))
        if self.sort != WORST_FIRST:
            pairs.append(("sort", f"-{self.sort}" if self.descending else self.sort))
        if self.size != DEFAULT_SIZE:
            pairs.append(("size", str(self.size)))
        if self.page != 1:
            pairs.append(("page", str(self.page)))
        return pairs

    def url(self, **changes: Any) -> str:
        """A link to this view with `changes`; back on page 1 unless the page is what changes."""
        changes.setdefault("page", 1)
        pairs = replace(self, **changes).pairs()
        return "?" + urlencode(pairs) if pairs else "?"

    def columns(self) -> list[dict[str, Any]]:
        """Headings with the link that sorts by each, and how each is sorted now."""
        return [self._column(key, label, numeric) for key, label, _, numeric in COLUMNS]

    def _column(self, key: str, label: str, numeric: bool) -> dict[str, Any]:
        current = self.sort == key
        # Figures are most asked for from the highest down, words from A.
        descending = not self.descending if current else numeric and key != "age"
        direction = ("descending" if self.descending else "ascending") if current else ""
        return {
            "key": key,
            "label": label,
            "numeric": numeric,
            "sorted": direction,
            "url": self.url(sort=key, descending=descending),
        }

    def chips(self) -> list[dict[str, str]]:
        """One removable chip for each filter in force."""
        chips = [{"label": f"“{self.q}”", "url": self.url(q="")}] if self.q else []
        if self.attention:
            chips.append({"label": Attention(self.attention).label, "url": self.url(attention="")})
        facets = (
            ("accounts", self.accounts, None, "Account"),
            ("regions", self.regions, None, "Region"),
            ("states", self.states, MachineState, "Machine"),
            ("services", self.services, ServiceState, "CML"),
        )
        for name, values, kind, heading in facets:
            for value in values:
                word = kind(value).label if kind else value
                rest = tuple(other for other in values if other != value)
                chips.append({"label": f"{heading}: {word}", "url": self.url(**{name: rest})})
        if self.alerts:
            chips.append({"label": "With alerts", "url": self.url(alerts=False)})
        if self.tag:
            chips.append({"label": f"Tag: {self.tag}", "url": self.url(tag="")})
        return chips


def tiles(counts: FleetCounts, query: FleetQuery | None = None) -> list[dict[str, Any]]:
    """The tiles above the table: a number each, and with `query` the link that filters by it."""
    machine = counts["machine"]
    moving = (MachineState.PENDING, MachineState.STOPPING, MachineState.SHUTTING_DOWN)
    specs: list[tuple[str, str, int, str, str, dict[str, Any]]] = [
        ("all", "Fleet", counts["total"], "unknown", "server-stack", {}),
        ("failing", "Failing", counts["failing"], "bad", "exclamation-triangle", {"attention": Attention.FAILING.value}),
        ("warning", "Warning", counts["warning"], "warn", "exclamation-triangle", {"attention": Attention.WARNING.value}),
        *(_tile(state, machine) for state in (MachineState.RUNNING,)),
        (
            "moving",
            "In transition",
            sum(machine.get(s.value, 0) for s in moving),
            "busy",
            "arrow-path",
            {"states": tuple(s.value for s in moving)},
        ),
        *(_tile(state, machine) for state in (MachineState.STOPPED, MachineState.LOST)),
        ("gone", "Terminated", counts["gone"], "off", "x-circle", {"states": ("failed", "terminated")}),
    ]
    result = []
    for name, label, count, tone, icon, filters in specs:
        tile = {"name": name, "label": label, "count": count, "tone": tone, "icon": icon}
        if query is not None:
            tile["url"] = (
                query.url(attention="", states=(), gone=False)
                if not filters
                else query.url(**({"attention": "", "states": ()} | filters))
            )
            tile["active"] = _is_active(query, filters)
        result.append(tile)
    return result


def _tile(state: MachineState, machine: dict[str, int]) -> tuple[str, str, int, str, str, dict[str, Any]]:
    return state.value, state.label, machine.get(state.value, 0), state.look.tone, state.look.icon, {"states": (state.value,)}


def _is_active(query: FleetQuery, filters: dict[str, Any]) -> bool:
    wanted = (filters.get("attention", ""), set(filters.get("states", ())))
    return (query.attention, set(query.states)) == wanted
