"""The alerts page's address: tab, filters, order and page, read from the query string and written back into links."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.http import QueryDict

from workers.alert_choices import AlertKind, AlertSeverity, AlertStanding
from workers.models import Alert, AlertQuerySet, Worker
from workers.operation_listing import chosen, identity, words

PAGE_SIZE = 50
WORST, NEWEST = "worst", "newest"


@dataclass(frozen=True, kw_only=True)
class AlertsQuery:
    """What an alerts page shows. Odd values in the address are dropped, never an error."""

    standing: AlertStanding = AlertStanding.OPEN
    kinds: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    q: str = ""  # a part of the worker's name, or its instance id
    worker: uuid.UUID | None = None
    sort: str = WORST
    page: int = 1

    @classmethod
    def parse(cls, data: QueryDict) -> AlertsQuery:
        """Read the query string."""
        page, standing = data.get("page", ""), data.get("show", "")
        regions = [region.replace("\0", "")[:32] for region in data.getlist("region") if region]
        return cls(
            standing=AlertStanding(standing) if standing in AlertStanding.values else AlertStanding.OPEN,
            kinds=chosen(data, "kind", AlertKind.values),
            severities=chosen(data, "severity", AlertSeverity.values),
            regions=tuple(dict.fromkeys(regions))[:20],
            q=words(data, "q"),
            worker=identity(data.get("worker", "")),
            sort=NEWEST if data.get("sort") == NEWEST else WORST,
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 else 1,
        )

    def filtered(self, alerts: AlertQuerySet) -> AlertQuerySet:
        """The matching alerts of all three tabs, without an order."""
        for name, values in (("kind", self.kinds), ("severity", self.severities), ("region", self.regions)):
            if values:
                alerts = alerts.filter(**{f"{name}__in": values})
        if self.worker:
            alerts = alerts.filter(worker=self.worker)
        if self.q:
            alerts = alerts.filter(
                Q(worker_name__icontains=self.q) | Q(worker__name__icontains=self.q) | Q(worker__instance_id=self.q)
            )
        return alerts

    def apply(self, alerts: AlertQuerySet) -> AlertQuerySet:
        """The matching alerts of the tab in order, with what a row shows. Closed ones: the last closed first, or by severity."""
        result = self.filtered(alerts).standing(self.standing).select_related("worker")
        moment = "-closed_at" if self.standing == AlertStanding.CLOSED else "-opened_at"
        return result.order_by(*(("severity",) if self.sort == WORST else ()), moment, "-id")

    def counts(self, alerts: AlertQuerySet) -> dict[str, int]:
        """How many alerts each tab would show. One query."""
        acknowledged = Q(closed_at__isnull=True, acknowledged_at__isnull=False)
        return self.filtered(alerts).aggregate(
            open=Count("pk", filter=Q(closed_at__isnull=True, acknowledged_at__isnull=True)),
            acknowledged=Count("pk", filter=acknowledged),
            closed=Count("pk", filter=Q(closed_at__isnull=False)),
        )

    @property
    def is_filtered(self) -> bool:
        return bool(self.kinds or self.severities or self.regions or self.q or self.worker)

    def pairs(self) -> list[tuple[str, str]]:
        """The query string's pairs, defaults left out."""
        pairs = [("show", str(self.standing))] if self.standing != AlertStanding.OPEN else []
        for key, values in (("kind", self.kinds), ("severity", self.severities), ("region", self.regions)):
            pairs += [(key, value) for value in values]
        worker = str(self.worker) if self.worker else ""
        pairs += [(key, text) for key, text in (("q", self.q), ("worker", worker)) if text]
        if self.sort != WORST:
            pairs.append(("sort", self.sort))
        if self.page != 1:
            pairs.append(("page", str(self.page)))
        return pairs

    def url(self, **changes: Any) -> str:
        """A link to this view with `changes`; back on page 1 unless the page is what changes."""
        return "?" + urlencode(replace(self, **({"page": 1} | changes)).pairs())

    def tabs(self, counts: dict[str, int]) -> list[dict[str, Any]]:
        """The three tabs with their numbers and links."""
        return [
            {
                "label": tab.label,
                "count": counts[tab.value],
                "url": self.url(standing=tab),
                "current": tab == self.standing,
            }
            for tab in AlertStanding
        ]

    def orders(self) -> list[dict[str, Any]]:
        """The two orders with their links."""
        words = ((WORST, "Worst first"), (NEWEST, "Newest first"))
        return [{"label": label, "url": self.url(sort=sort), "current": sort == self.sort} for sort, label in words]

    def chips(self) -> list[dict[str, str]]:
        """One removable chip for each filter in force."""
        chips = [{"label": f"Worker: “{self.q}”", "url": self.url(q="")}] if self.q else []
        if self.worker:
            worker = Worker.objects.filter(pk=self.worker).first()
            chips.append({"label": f"Worker: {worker or 'deleted'}", "url": self.url(worker=None)})
        facets = (
            ("kinds", self.kinds, AlertKind),
            ("severities", self.severities, AlertSeverity),
            ("regions", self.regions, None),
        )
        for name, values, kind in facets:
            for value in values:
                label = str(kind(value).label) if kind else f"Region: {value}"
                chips.append({"label": label, "url": self.url(**{name: tuple(one for one in values if one != value)})})
        return chips


def regions() -> list[tuple[str, str]]:
    """The regions that have workers or alerts, for the facet."""
    known = {*Worker.objects.order_by().values_list("region", flat=True).distinct()}
    known |= {*Alert.objects.open().order_by().values_list("region", flat=True).distinct()}
    return [(region, region) for region in sorted(known) if region]
