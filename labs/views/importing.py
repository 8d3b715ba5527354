"""Bringing a lab in: a file or pasted text, checked here as text, sent by an operation."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from accounts.requests import PersonalRequest
from labs.forms import LIMIT, ImportForm
from labs.services.operations import importing
from labs.yaml_checks import MOST_BYTES
from workers.choices import OperationKind
from workers.models import Operation, Worker
from workers.services.operations.asking import UnableToAsk
from workers.views.actions import say_asked
from workers.views.asker import asker

LARGEST = MOST_BYTES + 512 * 1024  # bytes of a request: the file, and the rest of the form


@csrf_exempt  # only until the size is known: what is too large is refused before it is read, and the rest is checked below
@require_http_methods(["GET", "HEAD", "POST"])
def lab_import(request: PersonalRequest) -> HttpResponse:
    """The form; a good one becomes an operation."""
    if not request.user.has_perm("labs.operate_lab"):
        raise PermissionDenied
    length = request.META.get("CONTENT_LENGTH") or "0"
    if request.method == "POST" and (not length.isdecimal() or int(length) > LARGEST):
        form = ImportForm(Worker.objects.visible_to(request.user), None)
        return _page(request, form, too_large=f"Nothing was imported: a lab’s YAML may have at most {LIMIT}.")
    return _import(request)


@csrf_protect
def _import(request: PersonalRequest) -> HttpResponse:
    workers = Worker.objects.visible_to(request.user)
    if request.method != "POST":
        return _page(request, ImportForm(workers, initial={"worker": request.GET.get("worker")}))
    form = ImportForm(workers, request.POST, request.FILES)
    operation = _asked(request, form) if form.is_valid() else None
    return redirect(operation) if operation else _page(request, form)


def _asked(request: PersonalRequest, form: ImportForm) -> Operation | None:
    given: dict[str, Any] = form.cleaned_data
    try:
        operation = importing.ask_import(
            worker=given["worker"],
            text=given["yaml"],
            title=given["title"],
            without_images=given["without_images"],
            by=asker(request, given["reason"]),
            now=timezone.now(),
        )
    except UnableToAsk as refusal:
        form.add_error(None, refusal.sentence)
        return None
    say_asked(request, operation)
    if count := importing.namesakes(given["worker"], operation.subject_name):
        labs = "another lab" if count == 1 else f"{count} other labs"
        messages.warning(
            request, f"{given['worker']} has {labs} titled {operation.subject_name}; CML keeps them apart by their ids."
        )
    return operation


def _page(request: PersonalRequest, form: ImportForm, *, too_large: str = "") -> HttpResponse:
    context = {"form": form, "too_large": too_large, "kind": OperationKind.LAB_IMPORT}
    return render(request, "labs/import.html", context, status=422 if form.errors or too_large else 200)
