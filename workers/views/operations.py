"""What was asked for, and what came of it."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers import access
from workers.choices import OperationKind, OperationState
from workers.models import Operation
from workers.operation_listing import PAGE_SIZE, OperationsQuery, newest_of

NEWEST = 5  # on a worker's page


@require_safe
def operations(request: PersonalRequest) -> HttpResponse:
    """All operations, newest first; the address holds the filters and the page. htmx gets the part that changes."""
    query = OperationsQuery.parse(request.GET)
    page = Paginator(query.apply(Operation.objects.all()), PAGE_SIZE).get_page(query.page)
    context = {
        "filters": query,
        "kinds": [(kind.value, kind.label) for kind in OperationKind],
        "states": [(state.value, state.label) for state in OperationState],
        "chips": query.chips(),
        "stream_url": _stream_url(page),
        "reread_url": query.url(page=page.number),
        "moving": any(operation.is_in_flight for operation in page.object_list),
    }
    template = "workers/operations_body.html" if wants_fragment(request) else "workers/operations.html"
    return vary(render(request, template, context | _paging(query, page)))


@require_safe
def operation(request: PersonalRequest, operation_id: uuid.UUID) -> HttpResponse:
    """One operation with its steps, live. htmx gets the panels alone."""
    found = get_object_or_404(Operation.objects.select_related("worker", "actor"), pk=operation_id)
    context = {"operation": found, "stream_url": f"/api/events/stream?channel=operation.{found.pk}"}
    template = "workers/components/operation_panel.html" if wants_fragment(request) else "workers/operation.html"
    return vary(render(request, template, context))


@require_safe
def worker_operations(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """The newest operations of one worker: a part of its page."""
    found = access.worker_to_see(request, worker_id)
    return render(request, "workers/components/worker_operations.html", {"worker": found, "newest": newest_of(found, NEWEST)})


def _paging(query: OperationsQuery, page: Page[Any]) -> dict[str, Any]:
    paginator = page.paginator
    numbers = paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1) if paginator.num_pages > 1 else ()
    links: list[dict[str, Any]] = [
        {"number": number, "url": query.url(page=number), "current": number == page.number}
        if isinstance(number, int)
        else {"number": None}
        for number in numbers
    ]
    noun = "operation" if paginator.count == 1 else "operations"
    return {
        "page": page,
        "page_sentence": f"{page.start_index()}–{page.end_index()} of {paginator.count} {noun}"
        if paginator.count
        else "No operations",
        "page_links": links,
        "previous_url": query.url(page=page.number - 1) if page.has_previous() else "",
        "next_url": query.url(page=page.number + 1) if page.has_next() else "",
    }


def _stream_url(page: Page[Any]) -> str:
    """News of exactly the rows on this page, and that others came or went."""
    channels = ["operations", *(f"operation.{one.pk}" for one in page.object_list)]
    return "/api/events/stream?" + "&".join(f"channel={channel}" for channel in channels)
