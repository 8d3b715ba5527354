"""The fleet page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.requests import PersonalRequest
from cmlmanager import runtime
from cmlmanager.htmx import vary, wants_fragment
from workers import aws_accounts
from workers.choices import MachineState, ServiceState
from workers.dressing import dressed
from workers.listing import PAGE_SIZES, FleetQuery, tiles
from workers.models import RegionCheck, StrayInstance, Worker, stale_after
from workers.querysets import FleetCounts, WorkerQuerySet


@require_safe
def fleet(request: PersonalRequest) -> HttpResponse:
    """Every worker at a glance; the address holds the filters, the order and the page. htmx gets the part that changes."""
    query = FleetQuery.parse(request.GET)
    context = _context(query, Worker.objects.visible_to(request.user), now=timezone.now())
    if request.user.has_perm("workers.import_worker"):
        context["strays"] = StrayInstance.objects.count()
    template = "workers/fleet_body.html" if wants_fragment(request) else "workers/fleet.html"
    return vary(render(request, template, context))


def _context(query: FleetQuery, visible: WorkerQuerySet, *, now: datetime) -> dict[str, Any]:
    counts = visible.counts()
    page = Paginator(query.apply(visible), query.size).get_page(query.page)
    page.object_list = dressed(page.object_list, now=now)
    known = counts["total"] + counts["gone"]
    return {
        "counts": counts,
        "tiles": tiles(counts, query),
        "filters": query,
        "options": _options(visible, counts),
        "chips": query.chips(),
        "clear_url": FleetQuery(gone=query.gone, sort=query.sort, descending=query.descending, size=query.size).url(),
        "columns": query.columns(),
        "empty": ""
        if page.object_list
        else "no_match"
        if known and query.is_filtered
        else "no_workers"
        if not known
        else "no_match",
        "failing_regions": RegionCheck.objects.filter(failing_since__isnull=False).order_by("account", "region"),
        "stream_url": _stream_url(page),
        "reread_url": query.url(page=query.page),
        "now": now,
        "stale_after_seconds": int(stale_after(runtime.value("STATE_INTERVAL")).total_seconds()),
    } | _paging(query, page)


def _paging(query: FleetQuery, page: Page) -> dict[str, Any]:
    paginator = page.paginator
    links: list[dict[str, Any]] = []
    for number in paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1):
        if isinstance(number, int):
            links.append({"number": number, "url": query.url(page=number), "current": number == page.number})
        else:
            links.append({"number": None})
    total = paginator.count
    noun = "worker" if total == 1 else "workers"
    return {
        "page": page,
        "page_sentence": f"{page.start_index()}–{page.end_index()} of {total} {noun}" if total else "No workers",
        "previous_url": query.url(page=page.number - 1) if page.has_previous() else "",
        "next_url": query.url(page=page.number + 1) if page.has_next() else "",
        "page_links": links if paginator.num_pages > 1 else [],
        "page_sizes": [{"size": size, "url": query.url(size=size), "current": size == query.size} for size in PAGE_SIZES],
    }


def _options(visible: WorkerQuerySet, counts: FleetCounts) -> dict[str, list[tuple[str, str, int]]]:
    """The facets with how many workers each holds; empty ones are left out, so that no choice leads nowhere."""
    listed = visible.listed(include_gone=False).order_by()
    regions = listed.order_by("region").values_list("region").annotate(n=Count("pk"))
    accounts = listed.values_list("account").annotate(n=Count("pk")) if aws_accounts.several() else ()
    return {
        "accounts": sorted((name, name, count) for key, count in accounts if (name := aws_accounts.label(key))),
        "regions": [(region, region, count) for region, count in regions],
        "states": [
            (state.value, state.label, counts["machine"].get(state.value, 0))
            for state in MachineState
            if counts["machine"].get(state.value)
        ],
        "services": [
            (s.value, s.label, counts["service"].get(s.value, 0)) for s in ServiceState if counts["service"].get(s.value)
        ],
    }


def _stream_url(page: Page) -> str:
    """News of exactly the rows on this page, and of the fleet's counts."""
    channels = ["fleet", *(worker.row_id for worker in page.object_list)]
    return "/api/events/stream?" + "&".join(f"channel={channel}" for channel in channels)
