"""Bringing a version back: to its own worker or to another one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.requests import PersonalRequest
from labs import access
from labs.forms import RestoreForm
from labs.models import LabVersion
from labs.services.operations import importing
from labs.services.versions import requests
from workers.choices import MachineState
from workers.models import Operation, Worker
from workers.services.operations.asking import UnableToAsk
from workers.views.actions import say_asked
from workers.views.asker import asker


@require_http_methods(["GET", "HEAD", "POST"])
def lab_version_restore(request: PersonalRequest, version_id: int) -> HttpResponse:
    """The form; a good one becomes an operation. A lab that is still there stays as it is: the restored one is a new lab."""
    found = access.version_to_act_on(request, version_id)
    workers = Worker.objects.visible_to(request.user)
    if request.method != "POST":
        home = found.lab.worker
        there = home if home is not None and home.machine == MachineState.RUNNING else None
        return _page(request, found, RestoreForm(workers, initial={"worker": there}, auto_id="restore_%s"))
    form = RestoreForm(workers, request.POST, auto_id="restore_%s")
    operation = _asked(request, found, form) if form.is_valid() else None
    return redirect(operation) if operation else _page(request, found, form)


def _asked(request: PersonalRequest, version: LabVersion, form: RestoreForm) -> Operation | None:
    given = form.cleaned_data
    try:
        operation = requests.ask_restore(
            version=version,
            worker=given["worker"],
            title=given["title"],
            without_images=given["without_images"],
            by=asker(request, given["reason"]),
            now=timezone.now(),
        )
    except UnableToAsk as refusal:
        form.add_error(None, refusal.sentence)
        return None
    say_asked(request, operation)
    if importing.namesakes(given["worker"], operation.subject_name):
        messages.warning(
            request,
            f"{given['worker']} has a lab titled {operation.subject_name} already; CML keeps them apart by their ids.",
        )
    return operation


def _page(request: PersonalRequest, version: LabVersion, form: RestoreForm) -> HttpResponse:
    context = {"version": version, "lab": version.lab, "form": form}
    return render(request, "labs/restore.html", context, status=422 if form.errors else 200)
