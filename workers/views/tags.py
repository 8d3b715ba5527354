"""The tags of one worker."""

from __future__ import annotations

import uuid

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.requests import PersonalRequest
from workers import access
from workers.choices import OperationKind
from workers.services.operations import asking
from workers.services.operations.asking import UnableToAsk
from workers.services.operations.standing import on_its_way, standing
from workers.tag_forms import TagsForm
from workers.views.actions import say_asked, say_refused
from workers.views.asker import asker


@require_http_methods(["GET", "HEAD", "POST"])
def worker_tags(request: PersonalRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Add, change and remove tags; what the form did not show stays as EC2 has it."""
    found = access.worker_to_act_on(request, worker_id, "workers.tag_worker")
    form = TagsForm(found, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            say_asked(
                request,
                asking.ask(
                    kind=OperationKind.TAG,
                    worker=found,
                    by=asker(request),
                    now=timezone.now(),
                    parameters=form.changes.parameters(),
                ),
            )
        except UnableToAsk as refusal:
            say_refused(request, refusal)
        return redirect(found)
    context = {
        "worker": found,
        "form": form,
        "why_not": standing(OperationKind.TAG, found, on_its_way([found])[found.pk]).sentence,
    }
    return render(request, "workers/tags.html", context, status=422 if request.method == "POST" else 200)
