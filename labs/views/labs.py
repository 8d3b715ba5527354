"""The labs page."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from labs.choices import Standing
from labs.dressing import dressed
from labs.listing import NOBODY, PAGE_SIZES, LabsQuery
from labs.models import Lab, LabsCheck
from labs.querysets import LabQuerySet

MOST_CHOICES = 100  # of a facet; the search finds the others


@require_safe
def labs(request: PersonalRequest) -> HttpResponse:
    """Every lab of the fleet; the address holds the filters, the order and the page. htmx gets the part that changes."""
    query = LabsQuery.parse(request.GET)
    visible = Lab.objects.visible_to(request.user)
    page = Paginator(query.apply(visible).for_rows(), query.size).get_page(query.page)
    counts = visible.counts()
    context = {
        "filters": query,
        "tiles": _tiles(counts, query),
        "options": _options(visible, counts, query),
        "chips": query.chips(),
        "clear_url": query.clear_url(),
        "columns": query.columns(),
        "groups": _groups(page, query),
        "empty": "" if page.object_list else "no_match" if counts else "no_labs",
        "problems": LabsCheck.objects.select_related("worker").order_by("worker__name", "worker_id"),
        "stream_url": _stream_url(page),
        "reread_url": query.url(page=page.number),
    }
    template = "labs/labs_body.html" if wants_fragment(request) else "labs/labs.html"
    return vary(render(request, template, context | _paging(query, page)))


def _tiles(counts: dict[str, int], query: LabsQuery) -> list[dict[str, Any]]:
    """The numbers above the table, each a link that filters by it. Gone labs are counted, but not among all."""
    there = sum(count for standing, count in counts.items() if standing != Standing.GONE)
    result = [
        {
            "name": "all",
            "label": "Labs",
            "count": there,
            "tone": "unknown",
            "icon": "beaker",
            "url": query.url(states=(), gone=False),
            "active": not query.states,
        }
    ]
    for standing in Standing:
        count = counts.get(standing.value, 0)
        if not count and standing == Standing.OTHER:
            continue
        result.append(
            {
                "name": standing.value,
                "label": standing.label,
                "count": count,
                "tone": standing.look.tone,
                "icon": standing.look.icon,
                "url": query.url(states=(standing.value,)),
                "active": query.states == (standing.value,),
            }
        )
    return result


def _options(visible: LabQuerySet, counts: dict[str, int], query: LabsQuery) -> dict[str, list[tuple[Any, str, int]]]:
    """The facets with how many labs each holds; empty ones are left out, so that no choice leads nowhere."""
    there = visible.listed(include_gone=query.gone)
    workers = there.filter(worker__isnull=False).values_list("worker", "worker__name", "worker__instance_id")
    owners = there.values_list("owner_username").annotate(n=Count("pk")).order_by("owner_username")
    regions = (
        there.filter(worker__isnull=False).values_list("worker__region").annotate(n=Count("pk")).order_by("worker__region")
    )
    return {
        "workers": [
            (pk, name or instance, count)
            for pk, name, instance, count in workers.annotate(n=Count("pk")).order_by("worker__name", "worker")[:MOST_CHOICES]
        ],
        "states": [(s.value, s.label, counts[s.value]) for s in Standing if counts.get(s.value)],
        "owners": [(owner or NOBODY, owner or "nobody", count) for owner, count in owners[:MOST_CHOICES]],
        "regions": [(region, region, count) for region, count in regions],
    }


def _groups(page: Page[Any], query: LabsQuery) -> list[dict[str, Any]]:
    """The rows of the page: in one nameless group, or one for each worker with how many of its labs are on this page."""
    if not query.grouped:
        return [{"key": "", "worker": None, "labs": dressed(page.object_list)}]
    groups: dict[str, dict[str, Any]] = {}
    for lab in dressed(page.object_list):
        key = str(lab.worker_id or lab.worker_name)
        group = groups.setdefault(key, {"key": key, "worker": lab.worker, "name": lab.worker_name, "labs": []})
        group["labs"].append(lab)
    for group in groups.values():
        running = Counter(lab.standing for lab in group["labs"])[Standing.RUNNING]
        group["sentence"] = f"{len(group['labs'])} on this page, {running} running"
    return list(groups.values())


def _paging(query: LabsQuery, page: Page[Any]) -> dict[str, Any]:
    paginator = page.paginator
    numbers = paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1) if paginator.num_pages > 1 else ()
    links: list[dict[str, Any]] = [
        {"number": number, "url": query.url(page=number), "current": number == page.number}
        if isinstance(number, int)
        else {"number": None}
        for number in numbers
    ]
    noun = "lab" if paginator.count == 1 else "labs"
    span = f"{page.start_index()}–{page.end_index()} of {paginator.count} {noun}"
    return {
        "page": page,
        "page_sentence": span if paginator.count else "No labs",
        "page_links": links,
        "previous_url": query.url(page=page.number - 1) if page.has_previous() else "",
        "next_url": query.url(page=page.number + 1) if page.has_next() else "",
        "page_sizes": [{"size": size, "url": query.url(size=size), "current": size == query.size} for size in PAGE_SIZES],
    }


def _stream_url(page: Page[Any]) -> str:
    """News of exactly the rows on this page, of labs that came or went, and of workers that start and stop."""
    channels = ["fleet", "labs", *(lab.row_id for lab in page.object_list)]
    return "/api/events/stream?" + "&".join(f"channel={channel}" for channel in channels)
