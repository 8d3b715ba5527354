"""Who is told: the list of targets, and what administrators do to one."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers import access
from workers.models import Delivery, NotificationTarget
from workers.notification_choices import DeliveryState, TargetKind
from workers.notification_forms import DeleteTargetForm, TargetForm
from workers.services.notifications import mail, targets
from workers.views.asker import asker

STREAM = "/api/events/stream?channel=notifications"


@require_safe
@permission_required("workers.view_notificationtarget", raise_exception=True)
def notifications(request: PersonalRequest) -> HttpResponse:
    """Every target and how it does. htmx gets the part that changes."""
    pending = Delivery.objects.filter(state=DeliveryState.PENDING).order_by().values_list("target")
    waiting = dict(pending.annotate(Count("pk")))
    found = sorted(NotificationTarget.objects.all(), key=lambda target: (target.state, target.name.casefold()))
    context = {
        "targets": [(target, waiting.get(target.pk, 0)) for target in found],
        "kinds": list(TargetKind),
        "moving": bool(waiting),
        "mail_is_off": not mail.is_on(),
        "links_are_off": not settings.PORTAL_URL,
        "stream_url": STREAM,
    }
    template = "workers/notifications_body.html" if wants_fragment(request) else "workers/notifications.html"
    return vary(render(request, template, context))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("workers.add_notificationtarget", raise_exception=True)
def target_new(request: PersonalRequest) -> HttpResponse:
    """First the kind, in the address (?kind=), then the rest."""
    name = request.GET.get("kind", "")
    if name not in TargetKind.values:
        refused = request.method == "POST"
        return render(request, "workers/notification_kind.html", {"kinds": list(TargetKind)}, status=422 if refused else 200)
    kind = TargetKind(name)
    form = TargetForm(kind, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            target = targets.create(kind=kind, wanted=_wanted(form), by=asker(request), now=timezone.now())
        except targets.UnableToKeep as refusal:
            _refuse(form, refusal)
        else:
            messages.success(request, f"{target} is added. Send a test to see whether it arrives.")
            return redirect(target)
    return _form(request, form, kind, {})


@require_http_methods(["GET", "HEAD", "POST"])
def target_edit(request: PersonalRequest, target_id: uuid.UUID) -> HttpResponse:
    """Change a target; what is left empty of secrets stays as it is."""
    found = access.target_to_act_on(request, target_id, "workers.change_notificationtarget")
    form = TargetForm(found.way, request.POST if request.method == "POST" else None, target=found)
    if request.method == "POST" and form.is_valid():
        try:
            changed = targets.change(target=found, wanted=_wanted(form), by=asker(request), now=timezone.now())
        except targets.UnableToKeep as refusal:
            _refuse(form, refusal)
        else:
            name = form.cleaned_data["name"]
            messages.success(request, f"{name} is saved." if changed else f"Nothing of {name} was changed.")
            return redirect(found)
    return _form(request, form, found.way, {"target": found})


@require_http_methods(["GET", "HEAD", "POST"])
def target_delete(request: PersonalRequest, target_id: uuid.UUID) -> HttpResponse:
    """Forget a target."""
    found = access.target_to_act_on(request, target_id, "workers.delete_notificationtarget")
    form = DeleteTargetForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        targets.delete(target=found, by=asker(request), now=timezone.now())
        messages.success(request, f"{found} is deleted.")
        return redirect("notifications")
    context = {"target": found, "form": form}
    return render(request, "workers/notification_delete.html", context, status=422 if form.errors else 200)


@require_POST
def target_switch(request: PersonalRequest, target_id: uuid.UUID) -> HttpResponse:
    """Switch a target on, on=1, or off, on=0."""
    found = access.target_to_act_on(request, target_id, "workers.change_notificationtarget")
    on = request.POST.get("on")
    if on not in {"0", "1"}:
        messages.warning(request, "Nothing was changed: say whether it is to be on or off.")
        return redirect(found)
    word = "on" if on == "1" else "off"
    changed = targets.switch(target=found, on=on == "1", by=asker(request), now=timezone.now())
    messages.success(request, f"{found} is {word}." if changed else f"{found} was {word} already.")
    return redirect(found)


@require_POST
def target_test(request: PersonalRequest, target_id: uuid.UUID) -> HttpResponse:
    """Send a test. How it goes arrives on the target's page."""
    found = access.target_to_act_on(request, target_id, "workers.change_notificationtarget")
    try:
        targets.test(target=found, by=asker(request), now=timezone.now())
    except targets.UnableToKeep as refusal:
        messages.warning(request, refusal.sentence)
    else:
        messages.info(request, f"A test to {found} is on its way; the log below shows how it goes.")
    return redirect(found)


@require_POST
def target_rotate(request: PersonalRequest, target_id: uuid.UUID) -> HttpResponse:
    """A new signing secret; it is shown, once, on the target's page."""
    found = access.target_to_act_on(request, target_id, "workers.change_notificationtarget")
    try:
        targets.rotate(target=found, by=asker(request), now=timezone.now())
    except targets.UnableToKeep as refusal:
        messages.warning(request, refusal.sentence)
    else:
        messages.success(request, f"{found} has a new signing secret. For 24 hours both sign.")
    return redirect(found)


def _wanted(form: TargetForm) -> targets.Wanted:
    data = form.cleaned_data
    return targets.Wanted(
        name=data["name"],
        recipients=data.get("recipients", ""),
        address=data.get("address", ""),
        channel=data.get("channel", ""),
        filters={name: data[name] for name in targets.FILTERS},
    )


def _refuse(form: TargetForm, refusal: targets.UnableToKeep) -> None:
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)


def _form(request: PersonalRequest, form: TargetForm, kind: TargetKind, context: dict[str, Any]) -> HttpResponse:
    facts = {"form": form, "kind": kind, "mail_is_off": kind == TargetKind.EMAIL and not mail.is_on()}
    return render(request, "workers/notification_form.html", context | facts, status=422 if form.errors else 200)
