"""Existing instances become workers: what to look for, what was found, and which of it to import."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers import aws_accounts, finding
from workers.choices import MachineState, OperationKind
from workers.creation_forms import ImportForm
from workers.models import Operation, StrayInstance, Worker
from workers.services import importing
from workers.services.importing import ImportResult
from workers.services.operations.looks import MOST
from workers.views.asker import asker


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("workers.import_worker", raise_exception=True)
def import_workers(request: PersonalRequest) -> HttpResponse:
    """What to look for. Beside it, the instances that carry the portal's tag and are no workers."""
    form = ImportForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        look = importing.look_for_instances(**form.place, question=form.question, by=asker(request), now=timezone.now())
        return redirect("worker-import-found", look.pk)
    context = {"form": form, "strays": StrayInstance.objects.all()}
    return render(request, "workers/import.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("workers.import_worker", raise_exception=True)
def import_found(request: PersonalRequest, operation_id: uuid.UUID) -> HttpResponse:
    """What was found, with why some of it would be skipped; and the importing of the rest, or of what is ticked."""
    look = get_object_or_404(Operation, pk=operation_id, kind=OperationKind.LOOK)
    if look.parameters.get("what") != "instances":
        raise Http404
    found = look.result.get("instances", [])
    if request.method == "POST":
        try:
            result = importing.import_found(look=look, instance_ids=_ticked(request), by=asker(request), now=timezone.now())
        except importing.UnableToImport as refusal:
            messages.warning(request, refusal.sentence)
            return redirect("worker-import-found", look.pk)
        return _after(request, result)
    template = "workers/components/import_look.html" if wants_fragment(request) else "workers/import_found.html"
    return vary(render(request, template, _findings(look, found)))


@require_POST
@permission_required("workers.import_worker", raise_exception=True)
def adopt(request: PersonalRequest) -> HttpResponse:
    """Instances with the portal's tag become workers: the ticked one, or all that are offered."""
    try:
        result = importing.adopt(instance_ids=_ticked(request), by=asker(request, "Adopted"), now=timezone.now())
    except importing.UnableToImport as refusal:
        messages.warning(request, refusal.sentence)
        return redirect("worker-import")
    return _after(request, result)


def _ticked(request: PersonalRequest) -> set[str] | None:
    """Which instances are meant; None: all."""
    return None if "all" in request.POST else set(request.POST.getlist("instance_id"))


def _after(request: PersonalRequest, result: ImportResult) -> HttpResponse:
    if result.skipped:
        skipped = "; ".join(f"{instance_id}: {why}" for instance_id, why in list(result.skipped.items())[:5])
        messages.warning(request, f"{len(result.skipped)} skipped. {skipped}")
    if not result.imported:
        return redirect("fleet")
    names = ", ".join(str(worker) for worker in result.imported[:5]) + (" …" if len(result.imported) > 5 else "")
    one = len(result.imported) == 1
    messages.success(request, f"{names} imported; EC2 and CML are being read.")
    return redirect(result.imported[0] if one else "fleet")


def _findings(look: Operation, found: list[dict[str, Any]]) -> dict[str, Any]:
    ids = [item["instance_id"] for item in found]
    # What was imported since the look, from here or elsewhere.
    known = {worker.instance_id: worker for worker in Worker.objects.filter(instance_id__in=ids)}
    rows = [
        {
            **item,
            "machine": MachineState(item["state"]) if item["state"] in MachineState.values else None,
            "worker": known.get(item["instance_id"]),
            "importable": not item["skipped"] and item["instance_id"] not in known,
        }
        for item in found
    ]
    return {
        "operation": look,
        "region": aws_accounts.in_words(look.parameters.get("account", ""), look.parameters["region"]),
        "question": finding.in_words(look.parameters),
        "rows": rows,
        "importable": sum(row["importable"] for row in rows),
        "cut": MOST if len(found) >= MOST else 0,
        "look_url": reverse("worker-import-found", args=[look.pk]),
        "stream_url": f"/api/events/stream?channel=operations&channel=operation.{look.pk}",
    }
