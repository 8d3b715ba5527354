"""Start, stop, terminate, detailed monitoring, and forgetting a worker."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers import access
from workers.choices import OperationKind
from workers.life_forms import DeleteForm, ReasonForm, TerminateForm
from workers.models import Operation, Worker
from workers.services import records
from workers.services.licenses import requests
from workers.services.operations import asking, rules
from workers.services.operations.asking import Asker, UnableToAsk
from workers.services.operations.requests import ask_monitoring
from workers.services.operations.standing import on_its_way, standing
from workers.views.actions import answer, leave_for, say_asked, say_refused, still_runs
from workers.views.asker import asker


@require_POST
def worker_start(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Ask for a start. How it goes arrives on the page by the stream."""
    found = access.worker_to_act_on(request, worker_id, "workers.start_worker")
    return _ask(request, found, lambda by: _life(OperationKind.START, found, by))


@require_POST
def worker_stop(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Ask for a stop, with a reason if one is given."""
    found = access.worker_to_act_on(request, worker_id, "workers.stop_worker")
    return _ask(request, found, lambda by: _life(OperationKind.STOP, found, by))


@require_POST
def worker_monitoring(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Ask for detailed monitoring, on=1, or for basic monitoring, on=0."""
    found = access.worker_to_act_on(request, worker_id, "workers.monitor_worker")
    on = request.POST.get("on")
    if on not in {"0", "1"}:
        messages.warning(request, "Nothing was changed: say whether detailed monitoring is to be on or off.")
        return answer(request, found)
    return _ask(request, found, lambda by: ask_monitoring(worker=found, on=on == "1", by=by, now=timezone.now()))


@require_http_methods(["GET", "HEAD", "POST"])
def worker_terminate(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Say what would be lost, have the name typed, and ask for the end."""
    found = access.worker_to_act_on(request, worker_id, "workers.terminate_worker")
    stake = {
        "seat_at_stake": rules.seat_is_at_stake(found),
        "can_give_back": rules.can_give_back(found),
        "labs_at_stake": rules.labs_are_at_stake(found),
    }
    form = TerminateForm(found, request.POST if request.method == "POST" else None, auto_id="terminate_%s", **stake)
    if request.method == "POST" and form.is_valid():
        try:
            operation = requests.ask_termination(
                worker=found,
                give_up_seat=form.cleaned_data.get("give_up_seat", False),
                seat_reason=form.cleaned_data.get("seat_reason", ""),
                labs_reason=form.cleaned_data["labs_reason"] if form.cleaned_data.get("give_up_labs") else "",
                by=asker(request, form.cleaned_data["reason"]),
                now=timezone.now(),
            )
            say_asked(request, operation)
        except UnableToAsk as refusal:
            say_refused(request, refusal)
        return leave_for(request, found.get_absolute_url())
    ruling = standing(OperationKind.TERMINATE, found, on_its_way([found])[found.pk])
    context = {"worker": found, "form": form, "still_runs": still_runs(found), "why_not": ruling.sentence} | stake
    return _confirm(request, "terminate", context, refused=bool(form.errors))


@require_http_methods(["GET", "HEAD", "POST"])
def worker_delete(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Forget the worker, and its instance only when the person says so."""
    found = access.worker_to_act_on(request, worker_id, "workers.delete_worker")
    has_instance = rules.may_delete_record(found, keep_instance=False).verdict != rules.Verdict.ACT
    form = DeleteForm(found, request.POST if request.method == "POST" else None, has_instance=has_instance, auto_id="delete_%s")
    if request.method == "POST" and form.is_valid():
        keep = form.cleaned_data.get("keep_instance", False)
        try:
            by = asker(request, form.cleaned_data["reason"])
            records.delete_record(worker=found, keep_instance=keep, by=by, now=timezone.now())
        except records.UnableToDelete as refusal:
            form.add_error("keep_instance" if has_instance and not keep else None, refusal.sentence)
        else:
            messages.success(request, f"The record of {found} is deleted.")
            return leave_for(request, reverse("fleet"))
    return _confirm(request, "delete", {"worker": found, "form": form, "has_instance": has_instance}, refused=bool(form.errors))


def _life(kind: OperationKind, found: Worker, by: Asker) -> Operation:
    return asking.ask(kind=kind, worker=found, by=by, now=timezone.now())


def _ask(request: PersonalRequest, found: Worker, ask: Callable[[Asker], Operation]) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.warning(request, f"Nothing was done. Reason: {' '.join(map(str, form.errors['reason']))}")
        return answer(request, found)
    try:
        say_asked(request, ask(asker(request, form.cleaned_data["reason"])))
    except UnableToAsk as refusal:
        say_refused(request, refusal)
    return answer(request, found)


def _confirm(request: PersonalRequest, name: str, context: dict[str, Any], *, refused: bool) -> HttpResponse:
    part = wants_fragment(request)
    template = f"workers/components/{name}_form.html" if part else f"workers/{name}.html"
    return vary(render(request, template, context | {"in_dialog": part}, status=422 if refused else 200))
