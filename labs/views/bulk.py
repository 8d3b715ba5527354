"""The same thing for many labs: who would be refused, and asking. A result for each is on the batch's page."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.requests import PersonalRequest
from labs.listing import LabsQuery
from labs.models import Lab
from labs.services.operations import requests, rules
from labs.views.actions import OPERATE, running
from workers.choices import OperationKind
from workers.services.operations.standing import on_its_way
from workers.views.asker import asker

ACTIONS = {"start": OperationKind.LAB_START, "stop": OperationKind.LAB_STOP, "backup": OperationKind.LAB_BACKUP}


@dataclass(frozen=True)
class Outlook:
    """One lab of the preview: what would be interrupted, or why it would be refused."""

    lab: Lab
    note: str = ""
    why_not: str = ""


@require_POST
def bulk(request: PersonalRequest) -> HttpResponse:
    """First a preview; with confirm=1 it is asked. `ids` name the labs, or all=1 with the labs page's `query`."""
    if not request.user.has_perm(OPERATE):
        raise PermissionDenied
    query = LabsQuery.parse(QueryDict(request.POST.get("query", "").lstrip("?")))
    back = f"{reverse('labs')}{query.url(page=query.page)}"
    kind, labs = ACTIONS.get(request.POST.get("action", "")), _selected(request, query)
    sentence = _unusable(kind, labs)
    if kind is None or sentence:
        messages.warning(request, sentence)
        return redirect(back)
    if request.POST.get("confirm") == "1":
        by = asker(request, request.POST.get("reason", "")[:500])
        return redirect("batch", requests.ask_many(kind=kind, labs=labs, by=by, now=timezone.now()))
    outlooks = _outlooks(kind, labs)
    context = {
        "kind": kind,
        "action": request.POST["action"],
        "query": request.POST.get("query", ""),
        "back": back,
        "will": [one for one in outlooks if not one.why_not],
        "wont": [one for one in outlooks if one.why_not],
        "busy": _some_wait(outlooks),
    }
    return render(request, "labs/bulk.html", context)


def _some_wait(outlooks: list[Outlook]) -> bool:
    """Whether some will have to wait for their turn on a CML."""
    counts: dict[uuid.UUID | None, int] = defaultdict(int)
    for one in outlooks:
        counts[one.lab.worker_id] += not one.why_not
    return any(count > requests.AT_ONCE for count in counts.values())


def _selected(request: PersonalRequest, query: LabsQuery) -> list[Lab]:
    """The labs named or, with all=1, all that match; one more than allowed shows that there are too many."""
    visible = Lab.objects.visible_to(request.user).for_rows()
    if request.POST.get("all") == "1" and request.POST.get("confirm") != "1":
        return list(query.apply(visible)[: requests.MOST + 1])
    ids = {found for text in request.POST.getlist("ids") if (found := _uuid(text))}
    return list(visible.filter(pk__in=list(ids)[: requests.MOST + 1]).order_by("title", "id"))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _unusable(kind: OperationKind | None, labs: list[Lab]) -> str:
    if kind is None:
        return "Nothing was done: choose Start, Stop or Back up."
    if not labs:
        return "Nothing was done: select labs first."
    if len(labs) > requests.MOST:
        return f"Nothing was done: at most {requests.MOST} labs can be asked at once. Narrow the filter."
    return ""


def _outlooks(kind: OperationKind, labs: list[Lab]) -> list[Outlook]:
    others = on_its_way({lab.worker for lab in labs if lab.worker})
    found = []
    for lab in labs:
        in_flight = others.get(lab.worker_id, []) if lab.worker_id else []
        sentence = rules.standing_of(kind, lab, in_flight).sentence
        found.append(Outlook(lab, running(lab) if kind == OperationKind.LAB_STOP else "", sentence))
    return found
