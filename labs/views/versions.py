"""Versions of labs: the lists, one of them, two compared, and asking for another."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import wants_fragment
from labs import access
from labs.comparison import compare
from labs.forms import BackupForm
from labs.models import Lab, LabsBackup, LabVersion
from labs.services.operations import rules
from labs.services.operations.files import name_of
from labs.services.versions import requests
from labs.services.versions.totals import totals
from labs.views.actions import OPERATE, actions_of
from workers import access as worker_access
from workers.choices import OperationKind
from workers.services.operations.asking import UnableToAsk
from workers.services.operations.standing import on_its_way
from workers.views.actions import say_asked, say_refused
from workers.views.asker import asker

NEWEST = 5  # versions on a lab's page
SIZE = 50  # on a page of their own
SHOWN = 200_000  # characters of a YAML


def newest_of(lab: Lab) -> dict[str, Any]:
    """What the panel on a lab's page shows: `versions`, at most NEWEST, and `more_versions`."""
    found = list(LabVersion.objects.filter(lab=lab).for_rows()[: NEWEST + 1])
    return {"versions": found[:NEWEST], "more_versions": len(found) > NEWEST}


@require_safe
def lab_versions(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Every version of a lab, and the form for another."""
    return _list(request, access.lab_to_see(request, lab_id), BackupForm(auto_id="backup_%s"))


def _list(request: PersonalRequest, found: Lab, form: BackupForm) -> HttpResponse:
    others = on_its_way([found.worker])[found.worker.pk] if found.worker else []
    context = {
        "lab": found,
        "form": form,
        "why_not": rules.standing_of(OperationKind.LAB_BACKUP, found, others).sentence,
    } | _paged(request, LabVersion.objects.filter(lab=found))
    return render(request, "labs/versions.html", context, status=422 if form.errors else 200)


def _paged(request: PersonalRequest, versions: Any) -> dict[str, Any]:
    page: Page[Any] = Paginator(versions.for_rows(), SIZE).get_page(request.GET.get("page"))
    return {"page": page, "versions": list(page.object_list)}


@require_safe
def labs_kept(request: PersonalRequest) -> HttpResponse:
    """What is kept altogether, the newest of all labs, and how the last nights went."""
    backups = LabsBackup.objects.select_related("worker", "operation").filter(operation__isnull=False)
    context = {
        "totals": totals(),
        "troubles": backups.filter(operation__state__in=("failed", "refused")).order_by("worker__name", "pk")[:SIZE],
    } | _paged(request, LabVersion.objects.visible_to(request.user))
    return render(request, "labs/kept.html", context)


@require_safe
def lab_version(request: PersonalRequest, version_id: int) -> HttpResponse:
    """One version with its YAML, or the beginning of a long one."""
    found = access.version_to_act_on(request, version_id)
    text = found.content.text
    context = {"lab": found.lab, "version": found, "text": text[:SHOWN], "is_cut": len(text) > SHOWN}
    return render(request, "labs/version.html", context)


@require_safe
def lab_version_download(request: PersonalRequest, version_id: int) -> HttpResponse:
    """The YAML, byte for byte as CML gave it."""
    found = access.version_to_act_on(request, version_id)
    name = f"{name_of(found.title).removesuffix('.yaml')}-{found.at:%Y%m%d-%H%M%S}.yaml"
    return HttpResponse(
        found.content.raw,
        content_type="application/x-yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@require_safe
def lab_versions_compare(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """What changed from the version `old` to the version `new`, whichever way round they are named."""
    found = access.lab_to_act_on(request, lab_id, OPERATE)
    ids = {int(text) for name in ("old", "new") if (text := request.GET.get(name, "")).isdecimal() and len(text) < 19}
    pair = list(LabVersion.objects.filter(lab=found, pk__in=ids).select_related("content").order_by("at", "pk"))
    if len(pair) != 2:
        messages.info(request, "Choose two different versions to compare.")
        return redirect("lab-versions", found.pk)
    old, new = pair
    context = {"lab": found, "old": old, "new": new, "comparison": compare(old.content.text, new.content.text)}
    return render(request, "labs/comparison.html", context)


@require_POST
def lab_version_pin(request: PersonalRequest, version_id: int) -> HttpResponse:
    """Keep it for ever, on=1, or as long as the others, on=0."""
    found = access.version_to_act_on(request, version_id)
    on = request.POST.get("on") == "1"
    requests.pin(version=found, pinned=on)
    messages.success(request, f"That version is {'kept for ever' if on else 'kept as long as the others'}.")
    return redirect("lab-versions", found.lab_id)


@require_POST
def lab_backup(request: PersonalRequest, lab_id: uuid.UUID) -> HttpResponse:
    """Ask for a version now."""
    found = access.lab_to_act_on(request, lab_id, OPERATE)
    form = BackupForm(request.POST, auto_id="backup_%s")
    if not form.is_valid():
        return _list(request, found, form)
    try:
        given = form.cleaned_data
        operation = requests.ask_backup(
            lab=found, by=asker(request), now=timezone.now(), note=given["note"], extract=given["extract"]
        )
        say_asked(request, operation)
    except UnableToAsk as refusal:
        say_refused(request, refusal)
    if wants_fragment(request):
        return render(request, "labs/components/operate_answer.html", {"lab": found} | actions_of(request, found))
    return redirect("lab-versions", found.pk) if "note" in request.POST else redirect(found)


@require_POST
def worker_labs_backup(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Ask for a version of every lab on the worker."""
    found = worker_access.worker_to_act_on(request, worker_id, OPERATE)
    if not request.user.has_perm("labs.view_lab"):
        raise PermissionDenied
    try:
        say_asked(request, requests.ask_worker_backup(worker=found, by=asker(request), now=timezone.now()))
    except UnableToAsk as refusal:
        say_refused(request, refusal)
    return redirect(f"{found.get_absolute_url()}#worker-labs")
