"""What the viewer may do with a lab now, asking for it, and the answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from labs import access
from labs.forms import DeleteLabForm, WipeLabForm
from labs.models import Lab, LabFile
from labs.services.operations import requests, rules
from workers.choices import OperationKind
from workers.life_forms import ReasonForm
from workers.models import Operation
from workers.services.operations.asking import UnableToAsk
from workers.services.operations.standing import on_its_way
from workers.views.actions import Choice, leave_for, say_asked, say_refused
from workers.views.asker import asker

K = OperationKind
OPERATE, DELETE = "labs.operate_lab", "labs.delete_lab"


@require_safe
def lab_actions(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """The actions alone, for this viewer and this moment: what an open page reads again when the lab has changed."""
    found = access.lab_to_see(request, lab_id)
    return render(request, "labs/components/operate.html", {"lab": found} | actions_of(request, found))


def actions_of(request: PersonalRequest, lab: Lab) -> dict[str, Any]:
    """`choices`: name → Choice of the buttons, `menu`: the other Choices; only what the viewer's role may ever use."""
    others = on_its_way([lab.worker])[lab.worker.pk] if lab.worker else []
    found = [choice for permission, choice in _all(lab, others) if request.user.has_perm(permission)]
    buttons = {choice.name: choice for choice in found if choice.name in {"start", "stop"}}
    return {"choices": buttons, "menu": [choice for choice in found if choice.name not in buttons]}


def _all(lab: Lab, others: list[Operation]) -> Iterable[tuple[str, Choice]]:
    def choice(name: str, label: str, icon: str, kind: OperationKind, note: str = "") -> Choice:
        sentence = rules.standing_of(kind, lab, others).sentence
        return Choice(name, label, icon, reverse(f"lab-{name}", args=[lab.pk]), sentence, note)

    yield OPERATE, choice("start", "Start", "play", K.LAB_START)
    yield OPERATE, choice("stop", "Stop", "stop", K.LAB_STOP, running(lab))
    yield OPERATE, choice("backup", "Back up now", "archive-box-arrow-down", K.LAB_BACKUP, "Kept here as a version.")
    yield OPERATE, choice("download", "Download YAML", "arrow-down-tray", K.LAB_DOWNLOAD, "As CML has it now.")
    yield OPERATE, choice("wipe", "Wipe…", "archive-box-x-mark", K.LAB_WIPE)
    yield DELETE, choice("delete", "Delete…", "trash", K.LAB_DELETE)


def running(lab: Lab) -> str:
    """What a stop would interrupt, as a sentence; "" for nothing, and for what is not known."""
    count = lab.nodes_running or 0
    return f"{count} node{' runs' if count == 1 else 's run'} in it." if count else ""


@require_POST
def lab_start(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Ask for a start. How it goes arrives on the page by the stream."""
    return _ask(request, access.lab_to_act_on(request, lab_id, OPERATE), K.LAB_START)


@require_POST
def lab_stop(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Ask for a stop, with a reason if one is given."""
    return _ask(request, access.lab_to_act_on(request, lab_id, OPERATE), K.LAB_STOP)


@require_POST
def lab_download(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Have the YAML fetched; the operation's page then offers it."""
    found = access.lab_to_act_on(request, lab_id, OPERATE)
    try:
        operation = requests.ask(kind=K.LAB_DOWNLOAD, lab=found, by=asker(request), now=timezone.now())
    except UnableToAsk as refusal:
        say_refused(request, refusal)
        return _answer(request, found)
    return leave_for(request, operation.get_absolute_url())


@require_safe
def lab_file(request: PersonalRequest, operation_id: uuid.UUID) -> HttpResponse:
    """The YAML that an operation fetched."""
    if not request.user.has_perm(OPERATE):
        raise PermissionDenied
    file = LabFile.objects.filter(operation=operation_id, operation__kind=K.LAB_DOWNLOAD).first()
    if file is None:
        raise Http404("There is no such file, or no longer: it is kept for a day.")
    return HttpResponse(
        file.raw,
        content_type="application/x-yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file.name}"', "Cache-Control": "no-store"},
    )


@require_http_methods(["GET", "HEAD", "POST"])
def lab_wipe(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Say what would be lost, and ask for it."""
    found = access.lab_to_act_on(request, lab_id, OPERATE)
    return _final(request, found, K.LAB_WIPE, WipeLabForm(request.POST or None, auto_id="wipe_%s"))


@require_http_methods(["GET", "HEAD", "POST"])
def lab_delete(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Say what would be lost, have the title typed, and ask for it."""
    found = access.lab_to_act_on(request, lab_id, DELETE)
    data = request.POST if request.method == "POST" else None
    return _final(request, found, K.LAB_DELETE, DeleteLabForm(found, data, auto_id="delete_%s"))


def _final(request: PersonalRequest, found: Lab, kind: OperationKind, form: WipeLabForm) -> HttpResponse:
    if request.method == "POST" and (not form.is_bound or form.is_valid()):
        reason = form.cleaned_data["reason"] if form.is_bound else ""
        unsaved = form.is_bound and form.cleaned_data["unsaved"]
        try:
            by = asker(request, reason)
            say_asked(request, requests.ask(kind=kind, lab=found, by=by, now=timezone.now(), unsaved=unsaved))
        except UnableToAsk as refusal:
            say_refused(request, refusal)
        return leave_for(request, found.get_absolute_url())
    others = on_its_way([found.worker])[found.worker.pk] if found.worker else []
    part = wants_fragment(request)
    context = {
        "lab": found,
        "form": form,
        "kind": kind,
        "running": running(found),
        "why_not": rules.standing_of(kind, found, others).sentence,
        "address": reverse(f"lab-{'wipe' if kind == K.LAB_WIPE else 'delete'}", args=[found.pk]),
        "in_dialog": part,
    }
    template = "labs/components/final_form.html" if part else "labs/final.html"
    return vary(render(request, template, context, status=422 if form.errors else 200))


def _ask(request: PersonalRequest, found: Lab, kind: OperationKind) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.warning(request, f"Nothing was done. Reason: {' '.join(map(str, form.errors['reason']))}")
        return _answer(request, found)
    try:
        by = asker(request, form.cleaned_data["reason"])
        say_asked(request, requests.ask(kind=kind, lab=found, by=by, now=timezone.now()))
    except UnableToAsk as refusal:
        say_refused(request, refusal)
    return _answer(request, found)


def _answer(request: PersonalRequest, lab: Lab) -> HttpResponse:
    """After a button: the actions with the messages beside them for htmx, else the lab's page."""
    if not wants_fragment(request):
        return redirect(lab)
    lab.refresh_from_db()
    return render(request, "labs/components/operate_answer.html", {"lab": lab} | actions_of(request, lab))
