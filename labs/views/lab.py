"""One lab's page and its parts."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from labs import access
from labs.console import console_of
from labs.models import Lab
from labs.views.actions import actions_of
from labs.views.versions import newest_of
from workers.audit_listing import Place, older_than
from workers.models import Event, Operation

LINES = 15  # of its history on one page
NEWEST = 5  # operations


@require_safe
def lab(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Everything about one lab. htmx gets what changes."""
    found = access.lab_to_see(request, lab_id)
    newest = list(Operation.objects.for_subject(found.pk)[:NEWEST])
    context = {
        "lab": found,
        "going_on": next((operation for operation in newest if operation.is_in_flight), None),
        "console": console_of(found),
        "newest": newest,
        "stream_url": f"/api/events/stream?channel=fleet&channel=labs&channel={found.row_id}",
    }
    context |= newest_of(found)
    context |= {} if wants_fragment(request) else actions_of(request, found)
    template = "labs/components/lab_live.html" if wants_fragment(request) else "labs/lab.html"
    return vary(render(request, template, context | _history(found, "")))


@require_safe
def lab_history(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """What happened to the lab, from the newest line or from a place in the list back."""
    found = access.lab_to_see(request, lab_id)
    return render(request, "labs/history.html", {"lab": found} | _history(found, request.GET.get("before", "")))


def _history(found: Lab, before: str) -> dict[str, Any]:
    place = Place.parse(before)
    events = Event.objects.for_subject(found.pk)
    rows = list((events.filter(older_than(place)) if place else events)[: LINES + 1])
    shown = rows[:LINES]
    address = reverse("lab-history", args=[found.pk])
    more = f"{address}?before={Place(shown[-1].at, shown[-1].pk)}" if len(rows) > LINES else ""
    return {"events": shown, "more_url": more, "history_url": address}
