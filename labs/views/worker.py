"""The labs of one worker."""

from __future__ import annotations

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from labs.models import Lab, LabsCheck
from workers import access

SHOWN = 100  # labs; the labs page has them all


@require_safe
def worker_labs(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """A panel of the worker's page; without htmx, a page of its own."""
    found = access.worker_to_see(request, worker_id)
    labs = Lab.objects.visible_to(request.user).on(found.pk).listed(include_gone=False).for_rows().order_by("title", "id")
    shown = list(labs[: SHOWN + 1])
    context = {
        "worker": found,
        "labs": shown[:SHOWN],
        "has_more": len(shown) > SHOWN,
        "gone": Lab.objects.visible_to(request.user).on(found.pk).count() - labs.count(),
        "check": LabsCheck.objects.filter(worker=found).first(),
    }
    template = "labs/components/worker_panel.html" if wants_fragment(request) else "labs/worker_labs.html"
    return vary(render(request, template, context))
