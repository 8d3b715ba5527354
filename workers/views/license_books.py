"""The licences of the whole fleet: accounts, workers, and seats of which nobody knows whether they are free."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers import license_listing
from workers.choices import LicenseState
from workers.license_forms import ResolveForm
from workers.license_listing import LicensesQuery
from workers.models import DoubtfulSeat, Worker
from workers.services.licenses import seats
from workers.views.actions import leave_for
from workers.views.asker import asker
from workers.views.licenses import PERMISSION


@require_safe
def licenses(request: PersonalRequest) -> HttpResponse:
    """Doubtful seats, accounts and workers; the address holds filters, order and pages. htmx gets the part that changes."""
    query = LicensesQuery.parse(request.GET)
    visible = Worker.objects.visible_to(request.user)
    workers = Paginator(query.apply(visible), license_listing.PAGE_SIZE).get_page(query.page)
    doubtful = Paginator(license_listing.seats(query), license_listing.SEATS_SIZE).get_page(query.seats_page)
    context = {
        "filters": query,
        "states": [(state.value, state.label) for state in LicenseState],
        "chips": query.chips(),
        "columns": query.columns(),
        "accounts": license_listing.accounts(visible, query),
        "workers": workers,
        "sentence": _sentence(workers, "worker"),
        "pager": _paging(query, workers, "page", "worker"),
        "seats": doubtful,
        "seats_pager": _paging(query, doubtful, "seats_page", "seat"),
        "seats_url": query.url(resolved=not query.resolved, seats_page=1),
        "clear_url": LicensesQuery(resolved=query.resolved).url(),
        "may_act": request.user.has_perm(PERMISSION),
        "stream_url": "/api/events/stream?channel=fleet",
        "reread_url": query.url(page=query.page, seats_page=query.seats_page),
    }
    template = "workers/licenses_body.html" if wants_fragment(request) else "workers/licenses.html"
    return vary(render(request, template, context))


@require_http_methods(["GET", "HEAD", "POST"])
def seat_resolve(request: PersonalRequest, seat_id: int) -> HttpResponse:
    """Somebody has looked at Cisco's portal and says how it is."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    seat = get_object_or_404(DoubtfulSeat.objects.select_related("worker"), pk=seat_id)
    form = ResolveForm(request.POST if request.method == "POST" else None, auto_id="resolve_%s")
    back = reverse("licenses")
    if form.is_bound and form.is_valid():
        by = asker(request)
        try:
            note = form.cleaned_data["note"]
            seats.resolve(seat=seat, note=note, by=by.actor, now=timezone.now(), from_address=by.from_address)
            messages.success(request, f"The seat of {seat.worker_name} is cleared up.")
        except seats.UnableToResolve as refusal:
            messages.info(request, refusal.sentence)
        return leave_for(request, back)
    part = wants_fragment(request)
    context = {
        "title": f"Clear up the seat of {seat.worker_name}",
        "lead": f"{seat.doubt.sentence} Look for the product instance in Cisco Smart Software Manager and remove it there if it is "
        "still listed.",
        "seat": seat,
        "form": form,
        "submit_label": "It is cleared up",
        "cancel_url": back,
        "in_dialog": part,
    }
    template = "workers/components/license_form.html" if part else "workers/license_form.html"
    return vary(render(request, template, context, status=422 if form.errors else 200))


def _sentence(page: Page[Any], noun: str) -> str:
    total = page.paginator.count
    if not total:
        return f"No {noun}s"
    return f"{page.start_index()}–{page.end_index()} of {total} {noun}{'' if total == 1 else 's'}"


def _paging(query: LicensesQuery, page: Page[Any], parameter: str, noun: str) -> dict[str, Any]:
    paginator = page.paginator
    if paginator.num_pages < 2:
        return {}

    def url(number: int) -> str:
        return query.url(**{parameter: number})

    numbers = paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return {
        "sentence": _sentence(page, noun),
        "links": [
            {"number": number, "url": url(number), "current": number == page.number}
            if isinstance(number, int)
            else {"number": None}
            for number in numbers
        ],
        "previous_url": url(page.number - 1) if page.has_previous() else "",
        "next_url": url(page.number + 1) if page.has_next() else "",
    }
