"""The licence of one worker: what CML tells of it, and the forms that change it."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers import access
from workers.choices import OperationKind
from workers.license_forms import DeregisterForm, LicenseForm, RegisterForm, RenewForm
from workers.license_listing import seat_of
from workers.models import Operation, Worker
from workers.services.licenses import requests
from workers.services.operations import asking
from workers.services.operations.asking import UnableToAsk
from workers.services.operations.standing import on_its_way, standing
from workers.views.actions import Choice, leave_for, say_asked, say_refused, still_runs
from workers.views.asker import asker

PERMISSION = "workers.license_worker"
FORM = ["GET", "HEAD", "POST"]


@require_safe
def worker_license(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """The licence's panel alone; without htmx, the worker's page with it."""
    found = access.worker_to_see(request, worker_id)
    if not wants_fragment(request):
        return redirect(f"{found.get_absolute_url()}#worker-license")
    return vary(render(request, "workers/components/license_panel.html", {"worker": found} | panel(request, found)))


def panel(request: PersonalRequest, worker: Worker) -> dict[str, Any]:
    """What the panel shows beside the worker: `seat` in doubt or None, `license_choices` for those who may."""
    if not request.user.has_perm(PERMISSION):
        return {"seat": seat_of(worker), "license_choices": []}
    why_not = standing(OperationKind.REGISTER, worker, on_its_way([worker])[worker.pk]).sentence

    def choice(name: str, label: str, icon: str) -> Choice:
        return Choice(name, label, icon, reverse(f"worker-license-{name}", args=[worker.pk]), why_not)

    if worker.holds_seat:
        choices = [
            choice("renew", "Renew…", "arrow-path"),
            choice("change", "Change…", "adjustments-horizontal"),
            choice("register", "Register again…", "key"),
            choice("deregister", "Deregister…", "arrow-uturn-left"),
        ]
    else:
        choices = [choice("register", "Register…", "key"), choice("change", "Change…", "adjustments-horizontal")]
    return {"seat": seat_of(worker), "license_choices": choices}


@sensitive_post_parameters("token")
@require_http_methods(FORM)
def worker_license_register(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Take a token and ask for a registration. The token goes into no page, message or log."""
    found = access.worker_to_act_on(request, worker_id, PERMISSION)
    form = RegisterForm(found, _posted(request), auto_id="register_%s")
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        try:
            operation = requests.ask_registration(
                worker=found,
                token=data["token"],
                reregister=data.get("reregister", False),
                nodes=data["nodes"],
                by=asker(request, data["reason"]),
                now=timezone.now(),
            )
        except UnableToAsk as refusal:
            return _after(request, found, refusal)
        return _after(request, found, operation)
    words = {
        "title": f"Register {found}",
        "submit_label": "Register",
        "lead": "CML tells Cisco who it is and takes a seat in the virtual account of the token.",
    }
    return _form(request, found, form, OperationKind.REGISTER, words)


@require_http_methods(FORM)
def worker_license_renew(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Have CML ask Cisco now, not when it is due."""
    found = access.worker_to_act_on(request, worker_id, PERMISSION)
    form = RenewForm(_posted(request), auto_id="renew_%s")
    if form.is_bound and form.is_valid():
        return _ask(request, found, OperationKind.RENEW, form, {"what": form.cleaned_data["what"]})
    words = {
        "title": f"Renew the licence of {found}",
        "submit_label": "Renew",
        "lead": "CML renews both by itself in time: the registration within a year, the authorization within 90 days.",
    }
    return _form(request, found, form, OperationKind.RENEW, words)


@require_http_methods(FORM)
def worker_license_deregister(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Give the seat back."""
    found = access.worker_to_act_on(request, worker_id, PERMISSION)
    form = DeregisterForm(_posted(request), auto_id="deregister_%s")
    if form.is_bound and form.is_valid():
        return _ask(request, found, OperationKind.DEREGISTER, form, {"stop_labs": form.cleaned_data["stop_labs"]})
    words = {
        "title": f"Deregister {found}?",
        "submit_label": "Deregister",
        "lead": "Its seat becomes free for another CML. Without a licence only a few nodes can start on it.",
        "warning": still_runs(found),
        "danger": True,
    }
    return _form(request, found, form, OperationKind.DEREGISTER, words)


@require_http_methods(FORM)
def worker_license_change(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Another product, or another number of nodes."""
    found = access.worker_to_act_on(request, worker_id, PERMISSION)
    form = LicenseForm(found, _posted(request), auto_id="change_%s")
    if form.is_bound and form.is_valid():
        return _ask(request, found, OperationKind.LICENSE, form, form.parameters)
    words = {
        "title": f"Change the licence of {found}",
        "submit_label": "Change",
        "lead": "What this CML is licensed as, and how many nodes beyond the product’s own it asks for.",
    }
    return _form(request, found, form, OperationKind.LICENSE, words)


def _posted(request: PersonalRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _ask(
    request: PersonalRequest, found: Worker, kind: OperationKind, form: forms.Form, parameters: dict[str, Any]
) -> HttpResponse:
    by = asker(request, form.cleaned_data["reason"])
    try:
        operation = asking.ask(kind=kind, worker=found, by=by, now=timezone.now(), parameters=parameters)
    except UnableToAsk as refusal:
        return _after(request, found, refusal)
    return _after(request, found, operation)


def _after(request: PersonalRequest, found: Worker, outcome: Operation | UnableToAsk) -> HttpResponse:
    if isinstance(outcome, UnableToAsk):
        say_refused(request, outcome)
    else:
        say_asked(request, outcome)
    return leave_for(request, found.get_absolute_url())


def _form(
    request: PersonalRequest, found: Worker, form: forms.Form, kind: OperationKind, words: dict[str, Any]
) -> HttpResponse:
    part = wants_fragment(request)
    context = words | {
        "worker": found,
        "form": form,
        "why_not": standing(kind, found, on_its_way([found])[found.pk]).sentence,
        "cancel_url": found.get_absolute_url(),
        "in_dialog": part,
    }
    template = "workers/components/license_form.html" if part else "workers/license_form.html"
    return vary(render(request, template, context, status=422 if form.errors else 200))
