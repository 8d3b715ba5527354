"""From which lines on there are alerts: a page for the fleet and one for each worker, for administrators."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PersonalRequest
from workers import access
from workers.alert_choices import SCALES, AlertKind
from workers.alert_forms import LinesForm, MuteForm
from workers.alert_lines import book
from workers.models import AlertMute, Worker
from workers.services.alerts import thresholds
from workers.views.asker import asker

PERMISSION = "workers.change_alertthreshold"


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(PERMISSION, raise_exception=True)
def fleet_thresholds(request: PersonalRequest) -> HttpResponse:
    """The fleet's own lines, which every worker without own ones follows."""
    return _page(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
def worker_thresholds(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """One worker's own lines."""
    return _page(request, access.worker_to_act_on(request, worker_id, PERMISSION))


@require_POST
@permission_required(PERMISSION, raise_exception=True)
def fleet_mute(request: PersonalRequest) -> HttpResponse:
    """Mute a kind on the whole fleet, or hear it again (`lift`)."""
    return _mute(request, None)


@require_POST
def worker_mute(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Mute a kind on one worker, or hear it again (`lift`)."""
    return _mute(request, access.worker_to_act_on(request, worker_id, PERMISSION))


def _page(request: PersonalRequest, worker: Worker | None) -> HttpResponse:
    form = _form(worker, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        kind = request.POST.get("reset")
        if kind in AlertKind.values and AlertKind(kind) in SCALES:
            return _set(request, worker, {AlertKind(kind): None})
        if form.is_valid():
            return _set(request, worker, form.wanted())
    return _show(request, worker, form, MuteForm(auto_id="mute_%s"))


def _form(worker: Worker | None, data: Any) -> LinesForm:
    found = book(now=timezone.now(), worker_ids=[worker.pk] if worker else [])
    settings = {kind: found.setting(worker.pk if worker else None, kind) for kind in SCALES}
    return LinesForm(settings, data, own="own" if worker else "fleet")


def _set(request: PersonalRequest, worker: Worker | None, wanted: dict[AlertKind, Any]) -> HttpResponse:
    try:
        count = thresholds.set_lines(worker=worker, wanted=wanted, by=asker(request), now=timezone.now())
    except thresholds.UnableToSet as refusal:
        messages.error(request, refusal.sentence)
    else:
        whose = f"of {worker}" if worker else "of the fleet"
        sentence = f"Thresholds {whose} saved; alerts are being judged by them." if count else "Nothing was changed."
        (messages.success if count else messages.info)(request, sentence)
    return redirect(_address(worker))


def _mute(request: PersonalRequest, worker: Worker | None) -> HttpResponse:
    by, now = asker(request), timezone.now()
    form = MuteForm(request.POST, auto_id="mute_%s")
    lifted = request.POST.get("lift", "")
    if lifted in AlertKind.values:
        if thresholds.unmute(worker=worker, kind=AlertKind(lifted), by=by, now=now):
            messages.success(request, f"{AlertKind(lifted).label} is heard again.")
        return redirect(_address(worker))
    if not form.is_valid():
        return _show(request, worker, _form(worker, None), form)
    kind = AlertKind(form.cleaned_data["kind"])
    try:
        thresholds.mute(worker=worker, kind=kind, until=form.until(now), reason=form.cleaned_data["reason"], by=by, now=now)
        messages.success(request, f"{kind.label} is muted.")
    except thresholds.UnableToSet as refusal:
        messages.warning(request, refusal.sentence)
    return redirect(_address(worker))


def _show(request: PersonalRequest, worker: Worker | None, form: LinesForm, mute_form: MuteForm) -> HttpResponse:
    now = timezone.now()
    context = {
        "worker": worker,
        "form": form,
        "mute_form": mute_form,
        "mutes": AlertMute.objects.in_force(now).filter(worker=worker).order_by("kind"),
        "fleet_mutes": AlertMute.objects.in_force(now).filter(worker=None).order_by("kind") if worker else (),
        "address": _address(worker),
        "mute_address": reverse("worker-mute", args=[worker.pk]) if worker else reverse("alert-mute"),
        "default_word": "fleet default" if worker else "built in",
    }
    return render(request, "workers/alert_thresholds.html", context, status=422 if form.errors or mute_form.errors else 200)


def _address(worker: Worker | None) -> str:
    return reverse("worker-thresholds", args=[worker.pk]) if worker else reverse("alert-thresholds")
