"""A new worker: the form, the images that EC2 has for it, and the confirmation."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.requests import PersonalRequest
from cmlmanager import runtime
from cmlmanager.htmx import vary, wants_fragment
from workers import aws_accounts, provisioning
from workers.creation_forms import CreateWorkerForm, initial_of
from workers.models import Operation
from workers.services import creation
from workers.views.asker import asker

IMAGES_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("workers.add_worker", raise_exception=True)
def new_worker(request: PersonalRequest) -> HttpResponse:
    """What the new worker shall be. A good answer has EC2 asked for the image, and leads to the confirmation."""
    if request.method == "POST":
        form = CreateWorkerForm(request.POST)
        if form.is_valid():
            look = creation.look_for_images(proposal=form.proposal, by=asker(request), now=timezone.now())
            return redirect("worker-new-confirm", look.pk)
    else:
        form = CreateWorkerForm(initial=_initial(request))
    context = {"form": form, "templates": _templates(request)}
    return render(request, "workers/new.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("workers.add_worker", raise_exception=True)
def new_worker_confirm(request: PersonalRequest, operation_id: uuid.UUID) -> HttpResponse:
    """What will be made and paid for, as soon as EC2 has said which image is meant; and then the making."""
    look, proposal = _proposed(operation_id)
    if request.method == "POST":
        return _confirm(request, look)
    fragment = wants_fragment(request)
    template = "workers/components/new_look.html" if fragment else "workers/new_confirm.html"
    return vary(render(request, template, _confirmation(look, proposal)))


def _confirm(request: PersonalRequest, look: Operation) -> HttpResponse:
    image_id = request.POST.get("image_id", "")[:32]
    try:
        worker = creation.confirm(look=look, image_id=image_id, by=asker(request), now=timezone.now())
    except creation.UnableToCreate as refusal:
        messages.warning(request, refusal.sentence)
        return redirect(refusal.worker or reverse("worker-new-confirm", args=[look.pk]))
    messages.success(request, f"{worker} is being created.")
    return redirect(worker)


def _proposed(operation_id: uuid.UUID) -> tuple[Operation, dict[str, Any]]:
    look = get_object_or_404(Operation, pk=operation_id)
    proposal = creation.proposal_of(look)
    if proposal is None:
        raise Http404
    return look, proposal


def _confirmation(look: Operation, proposal: dict[str, Any]) -> dict[str, Any]:
    images = look.result.get("images", [])
    return {
        "operation": look,
        "proposal": proposal,
        "account": aws_accounts.label(proposal.get("account", "")),
        "images": images[:IMAGES_SHOWN],
        "more_images": max(0, len(images) - IMAGES_SHOWN),
        "warnings": creation.warnings(proposal),
        "paid_for": creation.paid_for(proposal),
        "change_url": f"{reverse('worker-new')}?from={look.pk}",
        "look_url": reverse("worker-new-confirm", args=[look.pk]),
        "made": look.result.get("worker"),
        "stream_url": f"/api/events/stream?channel=operations&channel=operation.{look.pk}",
    }


def _templates(request: PersonalRequest) -> list[dict[str, Any]]:
    chosen = request.GET.get("template")
    return [
        {"template": template, "url": f"?template={number}", "current": chosen == str(number)}
        for number, template in enumerate(provisioning.templates(runtime.value("PROVISIONING")), start=1)
    ]


def _initial(request: PersonalRequest) -> dict[str, Any]:
    """From a template, or from an earlier proposal that is to be changed."""
    number = request.GET.get("template", "")
    offered = provisioning.templates(runtime.value("PROVISIONING"))
    if number.isascii() and number.isdecimal() and len(number) < 4 and 0 < int(number) <= len(offered):
        return offered[int(number) - 1].initial
    try:
        earlier = Operation.objects.filter(pk=uuid.UUID(request.GET.get("from", ""))).first()
    except ValueError:
        return {}
    proposal = creation.proposal_of(earlier) if earlier else None
    return initial_of(proposal) if proposal else {}
