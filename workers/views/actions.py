"""What the viewer may do with a worker now, and the answers to having asked for it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.requests import PersonalRequest
from cmlmanager.htmx import wants_fragment
from workers import access
from workers.choices import OperationKind
from workers.models import Operation, Worker
from workers.services.operations.asking import UnableToAsk
from workers.services.operations.openings import why_not_delete
from workers.services.operations.standing import on_its_way, standing

# USD a month for an instance watched every minute: 7 metrics at 0.30. Source: Amazon CloudWatch pricing, us-east-1, first tier.
MONITORING_COST = Decimal("2.10")


@dataclass(frozen=True)
class Choice:
    """One thing that can be asked for. `why_not` is the sentence that shuts it, "" when it is open; `note` is said beside it."""

    name: str
    label: str
    icon: str
    url: str
    why_not: str = ""
    note: str = ""


@require_safe
def worker_actions(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """The actions alone, for this viewer and this moment: what an open page reads again when the worker has changed."""
    found = access.worker_to_see(request, worker_id)
    return render(request, "workers/components/actions.html", {"worker": found} | actions_of(request, found))


def actions_of(request: PersonalRequest, worker: Worker) -> dict[str, Any]:
    """`choices`: name → Choice of the buttons, `menu`: the other Choices; only what the viewer's role may ever use."""
    others = on_its_way([worker])[worker.pk]
    choices = [choice for permission, choice in _all(worker, others) if request.user.has_perm(f"workers.{permission}")]
    buttons = {choice.name: choice for choice in choices if choice.name in {"start", "stop"}}
    return {"choices": buttons, "menu": [choice for choice in choices if choice.name not in buttons]}


def _all(worker: Worker, others: list[Operation]) -> Iterable[tuple[str, Choice]]:
    def why_not(kind: OperationKind) -> str:
        return standing(kind, worker, others).sentence

    kinds = OperationKind
    yield "start_worker", Choice("start", "Start", "play", _url("start", worker), why_not(kinds.START))
    yield "stop_worker", Choice("stop", "Stop", "stop", _url("stop", worker), why_not(kinds.STOP), still_runs(worker))
    yield "tag_worker", Choice("tags", "Edit tags", "tag", _url("tags", worker), why_not(kinds.TAG))
    on = worker.detailed_monitoring
    label = f"Turn detailed monitoring {'off' if on else 'on'}"
    cost = f"about {MONITORING_COST} USD a month at 1-minute resolution"
    note = f"Saves {cost}." if on else f"Costs {cost}; CloudWatch’s list price, approximate."
    yield "monitor_worker", Choice("monitoring", label, "chart-bar", _url("monitoring", worker), why_not(kinds.MONITOR), note)
    yield (
        "terminate_worker",
        Choice("terminate", "Terminate…", "power", _url("terminate", worker), why_not(kinds.TERMINATE)),
    )
    yield "delete_worker", Choice("delete", "Delete record…", "trash", _url("delete", worker), why_not_delete(worker, others))


def _url(name: str, worker: Worker) -> str:
    return reverse(f"worker-{name}", args=[worker.pk])


def still_runs(worker: Worker) -> str:
    """What a stop would interrupt, as a sentence; "" for nothing, and for what is not known."""
    labs, nodes = worker.labs_running or 0, worker.nodes_running or 0
    if not labs and not nodes:
        return ""
    parts = [f"{n} {noun}{'' if n == 1 else 's'}" for n, noun in ((labs, "lab"), (nodes, "node")) if n]
    return f"{' and '.join(parts)} {'runs' if labs + nodes == 1 else 'run'} on it."


def say_asked(request: PersonalRequest, operation: Operation) -> None:
    """A message that it is on its way."""
    link = format_html('<a href="{}">{}</a>', operation.get_absolute_url(), "See it")
    messages.success(request, format_html("{} {}. {}", operation.doing, operation.subject_name or operation.worker_name, link))


def say_refused(request: PersonalRequest, refusal: UnableToAsk) -> None:
    """A message why not. That it is so already, or that somebody else was first, is no error."""
    sentence = format_html("{}", refusal.sentence)
    if refusal.operation:
        sentence = format_html('{} <a href="{}">See it</a>', refusal.sentence, refusal.operation.get_absolute_url())
    calm = refusal.already or refusal.operation is not None
    (messages.info if calm else messages.warning)(request, sentence)


def answer(request: PersonalRequest, worker: Worker) -> HttpResponse:
    """After a button: the actions with the messages beside them for htmx, else the worker's page."""
    if not wants_fragment(request):
        return redirect(worker)
    worker.refresh_from_db()
    return render(request, "workers/components/actions_answer.html", {"worker": worker} | actions_of(request, worker))


def leave_for(request: PersonalRequest, address: str) -> HttpResponse:
    """After a form: the page at `address`, from within a dialog too."""
    return HttpResponseClientRedirect(address) if wants_fragment(request) else redirect(address)
