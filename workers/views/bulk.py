"""The same thing for many workers: who would be refused, asking, and a result for each."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.requests import PersonalRequest
from workers.choices import OperationKind
from workers.listing import FleetQuery
from workers.models import Worker
from workers.services import on_demand
from workers.services.operations import bulk as service
from workers.services.operations.standing import on_its_way, standing
from workers.tag_forms import BulkTags, entered
from workers.views.actions import still_runs
from workers.views.asker import asker

REFRESH = "refresh"
# What may be asked for many: the action's name → the permission that it needs and the kind of operation.
ACTIONS: dict[str, tuple[str, OperationKind | None]] = {
    kind.value: (permission, kind) for kind, permission in service.PERMISSIONS.items()
}
ACTIONS[REFRESH] = ("workers.refresh_worker", None)


@dataclass(frozen=True)
class Outlook:
    """One worker of the preview: what would be interrupted, or why it would be refused."""

    worker: Worker
    note: str = ""
    why_not: str = ""


@require_POST
def bulk(request: PersonalRequest) -> HttpResponse:
    """First a preview; with confirm=1 it is asked. `ids` name the workers, or all=1 with the fleet page's `query`."""
    if not request.user.has_perm("workers.stop_worker"):
        raise PermissionDenied
    back = f"{reverse('fleet')}{FleetQuery.parse(QueryDict(request.POST.get('query', '').lstrip('?'))).url()}"
    name = request.POST.get("action", "")
    workers = _selected(request)
    sentence = _unusable(name, workers)
    if sentence:
        messages.warning(request, sentence)
        return redirect(back)
    permission, kind = ACTIONS[name]
    if not request.user.has_perm(permission):
        raise PermissionDenied
    if kind is None:
        return _refresh(request, workers, back)
    return _operations(request, kind, workers, {"back": back, "query": request.POST.get("query", ""), "action": name})


def _operations(request: PersonalRequest, kind: OperationKind, workers: list[Worker], context: dict[str, Any]) -> HttpResponse:
    confirmed = request.POST.get("confirm") == "1"
    rows = BulkTags(request.POST if confirmed else None, prefix="tag", auto_id="%s") if kind == OperationKind.TAG else None
    error = ""
    if confirmed and (rows is None or rows.is_valid()):
        parameters = entered(rows).parameters() if rows is not None else None
        if parameters is None or any(parameters.values()):
            by = asker(request, request.POST.get("reason", "")[:500])
            batch = service.ask_many(kind=kind, workers=workers, by=by, now=timezone.now(), parameters=parameters)
            return redirect("batch", batch)
        error = "Enter at least one tag."
    elif confirmed and rows is not None:
        error = " ".join(map(str, rows.non_form_errors())) or "Nothing was changed: see the fields marked below."
    outlooks = _outlooks(kind, workers)
    context |= {
        "kind": kind,
        "will": [one for one in outlooks if not one.why_not],
        "wont": [one for one in outlooks if one.why_not],
        "rows": rows,
        "error": error,
    }
    return render(request, "workers/bulk.html", context, status=422 if error else 200)


def _refresh(request: PersonalRequest, workers: list[Worker], back: str) -> HttpResponse:
    address = asker(request).from_address
    asked = on_demand.request_many(workers=workers, by=request.user, now=timezone.now(), from_address=address)
    outlooks = [Outlook(worker, why_not=refusal.sentence if refusal else "") for worker, refusal in asked]
    context = {
        "will": [one for one in outlooks if not one.why_not],
        "wont": [one for one in outlooks if one.why_not],
        "back": back,
    }
    return render(request, "workers/bulk_refresh.html", context)


def _selected(request: PersonalRequest) -> list[Worker]:
    """The workers named or, with all=1, all that match; one more than allowed shows that there are too many."""
    visible = Worker.objects.visible_to(request.user)
    if request.POST.get("all") == "1" and request.POST.get("confirm") != "1":
        query = FleetQuery.parse(QueryDict(request.POST.get("query", "").lstrip("?")))
        return list(query.apply(visible)[: service.MOST + 1])
    ids = {found for text in request.POST.getlist("ids") if (found := _uuid(text))}
    return list(visible.filter(pk__in=list(ids)[: service.MOST + 1]).order_by("name", "id"))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _unusable(name: str, workers: list[Worker]) -> str:
    if name not in ACTIONS:
        return "Nothing was done: choose Start, Stop, Tag or Refresh."
    if not workers:
        return "Nothing was done: select workers first."
    if len(workers) > service.MOST:
        return f"Nothing was done: at most {service.MOST} workers can be asked at once. Narrow the filter."
    return ""


def _outlooks(kind: OperationKind, workers: list[Worker]) -> list[Outlook]:
    others = on_its_way(workers)
    notes = still_runs if kind == OperationKind.STOP else lambda worker: ""
    return [Outlook(worker, notes(worker), standing(kind, worker, others.get(worker.pk, ())).sentence) for worker in workers]
