"""The audit: every line of what happened, for administrators, to look through and to take along."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers.audit_listing import AuditQuery, in_chunks
from workers.choices import ActorKind, EventFamily, EventKind
from workers.models import Event
from workers.views.csv_download import csv_answer, lines_of, utc_cell

MOST_ROWS = 100_000  # of one file; whoever wants more narrows the dates
CHUNK = 1_000
HEADINGS = (
    "time",
    "event",
    "worker",
    "worker_id",
    "by",
    "who",
    "from_address",
    "before",
    "after",
    "detail",
    "operation_id",
    "subject",
)


@require_safe
@permission_required("workers.view_event", raise_exception=True)
def audit(request: PersonalRequest) -> HttpResponse:
    """What happened, newest first; the address holds the filters and the place. htmx gets the part that changes."""
    query = AuditQuery.parse(request.GET)
    page = query.page(Event.objects.all())
    context = {
        "filters": query,
        "families": EventFamily.choices,
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
    events = AuditQuery.parse(request.GET).apply(Event.objects.all())
    chunks = ([_cells(event) for event in chunk] for chunk in in_chunks(events, size=CHUNK, most=MOST_ROWS + 1))
    too_many = f"Only the newest {MOST_ROWS:,} lines are in this file; narrow the dates for the others."
    lines = lines_of(HEADINGS, chunks, most=MOST_ROWS, too_many=too_many)
    return csv_answer(request, f"audit-{timezone.now().astimezone(UTC):%Y-%m-%d-%H%M}.csv", lines)


def _cells(event: Event) -> tuple[Any, ...]:
    return (
        utc_cell(event.at),
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
        event.subject_name,
    )
