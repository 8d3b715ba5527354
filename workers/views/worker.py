"""One worker's page and its parts."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from accounts.requests import PersonalRequest
from cmlmanager import runtime
from cmlmanager.htmx import vary, wants_fragment
from workers import access
from workers.dressing import dressed
from workers.models import Alert, Event, Worker, stale_after
from workers.operation_listing import newest_of
from workers.services import on_demand
from workers.views.actions import actions_of
from workers.views.asker import asker
from workers.views.history import history_of
from workers.views.licenses import panel
from workers.views.operations import NEWEST

TIMELINE = 12


@require_safe
def worker(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Everything about one worker."""
    [found] = dressed([access.worker_to_see(request, worker_id)], now=timezone.now())
    context = {
        "worker": found,
        "stream_url": f"/api/events/stream?channel=fleet&channel=worker.{found.pk}",
        "stale_after_seconds": int(stale_after(runtime.value("STATE_INTERVAL")).total_seconds()),
        "newest": newest_of(found, NEWEST),
        "alerts": Alert.objects.of_worker(found),
        "back": found.get_absolute_url(),
    }
    return render(
        request,
        "workers/worker.html",
        context
        | actions_of(request, found)
        | panel(request, found)
        | history_of(request, found)
        | _timeline(found, before=None),
    )


@require_safe
def worker_live(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """The panels alone: what an open page reads again after its stream was away."""
    [found] = dressed([access.worker_to_see(request, worker_id)], now=timezone.now())
    return render(request, "workers/components/worker_live.html", {"worker": found})


@require_safe
def worker_timeline(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """The timeline alone, from the newest or from `before` (an ISO time) back."""
    found = access.worker_to_see(request, worker_id)
    # The part goes on listening; without its hx-swap, a re-read already on its way would land inside it.
    context = {"worker": found, "live": wants_fragment(request)} | _timeline(found, before=request.GET.get("before"))
    template = "workers/components/timeline.html" if wants_fragment(request) else "workers/timeline.html"
    return vary(render(request, template, context))


@require_POST
def worker_refresh(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Ask for fresh knowledge. The outcome arrives on the page by the stream."""
    found = access.worker_to_act_on(request, worker_id, "workers.refresh_worker")
    try:
        address = asker(request).from_address
        on_demand.request_refresh(worker=found, by=request.user, now=timezone.now(), from_address=address)
        result: dict[str, Any] = {"accepted": True, "sentence": f"{found} is being read from EC2 and CML.", "wait_seconds": 0}
    except on_demand.UnableToRefresh as refusal:
        result = {"accepted": False, "sentence": refusal.sentence, "wait_seconds": refusal.wait_seconds}
    if wants_fragment(request):
        return render(request, "workers/components/refresh_result.html", result)
    (messages.success if result["accepted"] else messages.warning)(request, result["sentence"])
    return redirect(found, permanent=False)


def _timeline(found: Worker, *, before: str | None) -> dict[str, Any]:
    moment = _moment(before)
    events = Event.objects.for_worker(found)
    shown = list((events.filter(at__lt=moment) if moment else events)[: TIMELINE + 1])
    older = len(shown) > TIMELINE
    shown = shown[:TIMELINE]
    address = reverse("worker-timeline", args=[found.pk])
    return {
        "events": shown,
        "timeline_url": address,
        "more_url": f"{address}?before={shown[-1].at.isoformat().replace('+', '%2B')}" if older else "",
    }


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parse_datetime(text) if text else None
    except ValueError:
        return None
    return moment if moment and timezone.is_aware(moment) else None
