"""One target: how it does, its secret, and the log of its deliveries."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers import access
from workers.models import Delivery, NotificationTarget
from workers.notification_choices import DeliveryState
from workers.services.notifications import targets
from workers.views.asker import asker
from workers.views.notifications import STREAM

PAGE_SIZE = 50


@require_safe
def target(request: PersonalRequest, target_id: uuid.UUID) -> HttpResponse:
    """A target with the newest of its deliveries; the address holds the page. htmx gets the part that changes."""
    found = access.target_to_act_on(request, target_id, "workers.view_notificationtarget")
    template = "workers/notification_target_body.html" if wants_fragment(request) else "workers/notification_target.html"
    return vary(render(request, template, _context(request, found)))


@require_POST
def secret(request: PersonalRequest, target_id: uuid.UUID) -> HttpResponse:
    """Show the signing secret. It is in this answer and in no other, which is why the answer is the page and no redirect."""
    found = access.target_to_act_on(request, target_id, "workers.change_notificationtarget")
    try:
        shown = targets.reveal(target=found, by=asker(request), now=timezone.now())
    except targets.UnableToKeep as refusal:
        messages.warning(request, refusal.sentence)
        return redirect(found)
    return render(request, "workers/notification_secret.html", {"target": found, "secret": shown})


@require_safe
@permission_required("workers.view_delivery", raise_exception=True)
def delivery(request: PersonalRequest, target_id: uuid.UUID, delivery_id: int) -> HttpResponse:
    """One delivery with all that was told. htmx gets the part that changes."""
    found = _delivery(target_id, delivery_id)
    context = {
        "target": found.target,
        "delivery": found,
        "facts": json.dumps(found.payload.get("data", {}), indent=2, ensure_ascii=False, sort_keys=True),
        "moving": found.state == DeliveryState.PENDING,
        "stream_url": STREAM,
    }
    template = "workers/notification_delivery_body.html" if wants_fragment(request) else "workers/notification_delivery.html"
    return vary(render(request, template, context))


@require_POST
@permission_required("workers.change_notificationtarget", raise_exception=True)
def delivery_again(request: PersonalRequest, target_id: uuid.UUID, delivery_id: int) -> HttpResponse:
    """Send it once more, with the same event id."""
    found = _delivery(target_id, delivery_id)
    try:
        targets.redeliver(delivery=found, by=asker(request), now=timezone.now())
    except targets.UnableToKeep as refusal:
        messages.warning(request, refusal.sentence)
    else:
        messages.info(request, f"“{found.title}” is being sent again, with the same event id.")
    return redirect("delivery", target_id, delivery_id)


def _delivery(target_id: uuid.UUID, delivery_id: int) -> Delivery:
    return get_object_or_404(Delivery.objects.select_related("target"), pk=delivery_id, target=target_id)


def _context(request: PersonalRequest, found: NotificationTarget) -> dict[str, Any]:
    page = Paginator(Delivery.objects.filter(target=found).order_by("-id"), PAGE_SIZE).get_page(request.GET.get("page"))
    for one in page.object_list:
        one.target = found  # known already: no query a row
    now = timezone.now()
    overlap, rest = found.previous_secret_until, found.paused_until
    return {
        "target": found,
        "deliveries": page.object_list,
        "moving": any(one.state == DeliveryState.PENDING for one in page.object_list),
        "reread_url": f"{found.get_absolute_url()}?page={page.number}",
        "overlap_until": overlap if overlap and overlap > now else None,
        "rests_until": rest if rest and rest > now else None,
        "stream_url": STREAM,
    } | _paging(page)


def _paging(page: Page[Delivery]) -> dict[str, Any]:
    paginator = page.paginator
    numbers = paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1) if paginator.num_pages > 1 else ()
    noun = "delivery" if paginator.count == 1 else "deliveries"
    return {
        "page_sentence": f"{page.start_index()}–{page.end_index()} of {paginator.count} {noun}" if paginator.count else "",
        "page_links": [
            {"number": number, "url": f"?page={number}", "current": number == page.number}
            if isinstance(number, int)
            else {"number": None}
            for number in numbers
        ],
        "previous_url": f"?page={page.previous_page_number()}" if page.has_previous() else "",
        "next_url": f"?page={page.next_page_number()}" if page.has_next() else "",
    }
