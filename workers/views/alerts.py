"""The alerts page, one alert, a worker's panel of them, and the bell; and people saying that they know."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers import access
from workers.alert_choices import AlertKind, AlertSeverity
from workers.alert_listing import PAGE_SIZE, AlertsQuery, regions
from workers.models import Alert, Event, Worker
from workers.services.alerts import acknowledging
from workers.services.alerts.acknowledging import MOST, Outcome, Seen
from workers.views.asker import asker

PERMISSION = "workers.acknowledge_alert"
STREAM = "/api/events/stream?channel=alerts"
CHANGED = "alerts:changed"  # to the page that asked: read your alerts again


@require_safe
def alerts(request: PersonalRequest) -> HttpResponse:
    """All alerts in three tabs; the address holds tab, filters, order and page. htmx gets the part that changes."""
    query = AlertsQuery.parse(request.GET)
    counts = query.counts(Alert.objects.all())
    page = Paginator(query.apply(Alert.objects.all()), PAGE_SIZE).get_page(query.page)
    context = {
        "filters": query,
        "tabs": query.tabs(counts),
        "kinds": AlertKind.choices,
        "severities": AlertSeverity.choices,
        "regions": regions(),
        "chips": query.chips(),
        "orders": query.orders(),
        "clear_url": AlertsQuery(standing=query.standing, sort=query.sort).url(),
        "stream_url": STREAM,
        "reread_url": query.url(page=page.number),
        "back": f"{reverse('alerts')}{query.url(page=page.number)}",
    }
    template = "workers/alerts_body.html" if wants_fragment(request) else "workers/alerts.html"
    return vary(render(request, template, context | _paging(query, page)))


@require_safe
def alert(request: PersonalRequest, alert_id: uuid.UUID) -> HttpResponse:
    """One alert and what happened to it. htmx gets the panels alone."""
    found = get_object_or_404(Alert.objects.select_related("worker"), pk=alert_id)
    context = {
        "alert": found,
        "events": Event.objects.filter(alert=found).order_by("-at", "-id"),
        "back": found.get_absolute_url(),
        "stream_url": STREAM,
    }
    template = "workers/components/alert_panel.html" if wants_fragment(request) else "workers/alert.html"
    return vary(render(request, template, context))


@require_safe
def worker_alerts(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """The open alerts of one worker: a part of its page."""
    found = access.worker_to_see(request, worker_id)
    context = {"worker": found, "alerts": Alert.objects.of_worker(found), "back": found.get_absolute_url()}
    return render(request, "workers/components/worker_alerts.html", context)


@require_safe
def bell(request: PersonalRequest) -> HttpResponse:
    """What the bell shows: what an open page reads again after its stream was away."""
    return render(
        request, "components/alert_bell_inside.html", {"bell": Alert.objects.bell(), "failing": Worker.objects.failing()}
    )


@require_POST
def acknowledge(request: PersonalRequest) -> HttpResponse:
    """Acknowledge the alerts named by `alert` (each as Alert.seen), with a `note`."""
    _may(request)
    seen = [one for text in request.POST.getlist("alert") if (one := Seen.parse(text))]
    if _unusable(request, len(seen)):
        return _answer(request)
    note = request.POST.get("note", "").replace("\0", "")[:500]
    outcome = acknowledging.acknowledge(seen=seen, note=note, by=asker(request), now=timezone.now())
    return _answer(request, outcome, "acknowledged")


@require_POST
def unacknowledge(request: PersonalRequest) -> HttpResponse:
    """Take the acknowledgement of these alerts back."""
    _may(request)
    seen = [one for text in request.POST.getlist("alert") if (one := Seen.parse(text))]
    if _unusable(request, len(seen)):
        return _answer(request)
    ids = [one.alert_id for one in seen]
    outcome = acknowledging.unacknowledge(alert_ids=ids, by=asker(request), now=timezone.now())
    return _answer(request, outcome, "no longer acknowledged")


def _may(request: PersonalRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _unusable(request: PersonalRequest, count: int) -> bool:
    """Whether there is nothing to do, or too much; then a message says so."""
    if not count:
        messages.warning(request, "Nothing was done: select alerts first.")
    elif count > MOST:
        messages.warning(request, f"Nothing was done: at most {MOST} alerts at once.")
    return not 0 < count <= MOST


def _answer(request: PersonalRequest, outcome: Outcome | None = None, done: str = "") -> HttpResponse:
    """Say what came of it, and go back to where the person was; htmx gets the messages, and its page is told to read again."""
    if outcome and outcome.changed:
        count = len(outcome.changed)
        subject = str(outcome.changed[0]) if count == 1 else f"{count} alerts"
        messages.success(request, f"{subject} {'is' if count == 1 else 'are'} {done}.")
    if outcome and outcome.refused:
        more = f" And {len(outcome.refused) - 3} more." if len(outcome.refused) > 3 else ""
        messages.warning(request, " ".join(outcome.refused[:3]) + more)
    if wants_fragment(request):
        return trigger_client_event(render(request, "components/messages.html", {"oob": True}), CHANGED)
    return redirect(_back(request))


def _back(request: PersonalRequest) -> str:
    """The page named by the form, if it is one of ours; else the alerts page."""
    back = request.POST.get("back", "")
    if not back.startswith("/") or not url_has_allowed_host_and_scheme(back, allowed_hosts=None) or urlsplit(back).netloc:
        return reverse("alerts")
    return back


def _paging(query: AlertsQuery, page: Page[Any]) -> dict[str, Any]:
    paginator = page.paginator
    numbers = paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1) if paginator.num_pages > 1 else ()
    links: list[dict[str, Any]] = [
        {"number": number, "url": query.url(page=number), "current": number == page.number}
        if isinstance(number, int)
        else {"number": None}
        for number in numbers
    ]
    noun = "alert" if paginator.count == 1 else "alerts"
    return {
        "page": page,
        "page_sentence": f"{page.start_index()}–{page.end_index()} of {paginator.count} {noun}"
        if paginator.count
        else "No alerts",
        "page_links": links,
        "previous_url": query.url(page=page.number - 1) if page.has_previous() else "",
        "next_url": query.url(page=page.number + 1) if page.has_next() else "",
    }
