"""The audit: every line of what happened, for administrators, to look through and to take along."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterator
from datetime import UTC
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import permission_required
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers.audit_listing import AuditQuery, in_chunks
from workers.choices import ActorKind, EventKind
from workers.models import Event

MOST_ROWS = 100_000  # of one file; whoever wants more narrows the dates
CHUNK = 1_000
HEADINGS = ("time", "event", "worker", "worker_id", "by", "who", "from_address", "before", "after", "detail", "operation_id")
# What makes a spreadsheet take a cell for a formula. Source: OWASP, "CSV Injection".
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@require_safe
@permission_required("workers.view_event", raise_exception=True)
def audit(request: PersonalRequest) -> HttpResponse:
    """What happened, newest first; the address holds the filters and the place. htmx gets the part that changes."""
    query = AuditQuery.parse(request.GET)
    page = query.page(Event.objects.all())
    context = {
        "filters": query,
        "kinds": EventKind.choices,
        "actors": ActorKind.choices,
        "chips": query.chips(),
        "events": page.events,
        "sentence": query.count(Event.objects.all()),
        "older_url": query.url(before=page.older) if page.older else "",
        "newer_url": query.url(after=page.newer) if page.newer else "",
        "newest_url": query.url(),
        "export_query": query.url(),
    }
    template = "workers/audit_body.html" if wants_fragment(request) else "workers/audit.html"
    return vary(render(request, template, context))


@require_safe
@permission_required("workers.view_event", raise_exception=True)
def audit_export(request: PersonalRequest) -> HttpResponseBase:
    """The lines that the same address shows as CSV (UTF-8, times ISO 8601 in UTC), all pages, newest first."""
    lines = _lines(AuditQuery.parse(request.GET))
    asynchronous = isinstance(request, ASGIRequest)
    name = f"audit-{timezone.now().astimezone(UTC):%Y-%m-%d-%H%M}.csv"
    return StreamingHttpResponse(
        _from_thread(lines) if asynchronous else lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


class _Echo:
    """What csv.writer writes is what its writerow returns."""

    def write(self, line: str) -> str:
        return line


def _lines(query: AuditQuery) -> Iterator[str]:
    """The file, a chunk of lines at a time."""
    write = csv.writer(_Echo()).writerow
    yield write(HEADINGS)
    count = 0
    for chunk in in_chunks(query.apply(Event.objects.all()), size=CHUNK, most=MOST_ROWS + 1):
        count += len(chunk)
        yield "".join(
            write([safe(cell) for cell in _cells(event)]) for event in chunk[: len(chunk) - max(0, count - MOST_ROWS)]
        )
    if count > MOST_ROWS:
        yield write([f"Only the newest {MOST_ROWS:,} lines are in this file; narrow the dates for the others."])


async def _from_thread(lines: Iterator[str]) -> AsyncIterator[str]:
    # Under ASGI a plain iterator would be read to its end before the first byte goes out.
    def read() -> str | None:
        return next(lines, None)

    while (chunk := await sync_to_async(read)()) is not None:
        yield chunk


def _cells(event: Event) -> tuple[Any, ...]:
    return (
        event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        event.kind,
        event.worker_name,
        event.worker_id,
        event.actor_kind,
        event.actor_name,
        event.from_address,
        event.before,
        event.after,
        event.detail,
        event.operation_id,
    )


def safe(cell: object) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULA) else text
