"""What came of asking many workers at once."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from workers.choices import OperationKind, OperationState
from workers.models import Operation
from workers.services.operations import bulk, registry
from workers.views.asker import asker

PAGE = 100  # each row on the page is a channel of its stream


@require_safe
def batch(request: PersonalRequest, batch_id: uuid.UUID) -> HttpResponse:
    """A result for each worker, live. htmx gets the part that changes."""
    operations = (
        Operation.objects.filter(batch=batch_id).select_related("worker", "actor").order_by("worker_name", "subject_name", "id")
    )
    page = Paginator(operations, PAGE).get_page(request.GET.get("page"))
    if not page.object_list:
        raise Http404("There is no such batch.")
    counts = Counter(operations.order_by().values_list("state", flat=True))
    first = page.object_list[0]
    kind = OperationKind(first.kind)
    other = registry.registered(kind)
    context = {
        "batch_id": batch_id,
        "first": first,
        "kind": kind,
        "noun": other.noun if other else "worker",
        "page": page,
        "counts": [{"state": state, "count": counts[state]} for state in OperationState if counts[state]],
        "in_flight": any(counts[state] for state in OperationState.in_flight()),
        "may_retry": _may(request, kind) and bool(counts[OperationState.FAILED] + counts[OperationState.REFUSED]),
        "stream_url": _stream_url(page),
    }
    return vary(render(request, "workers/components/batch.html" if wants_fragment(request) else "workers/batch.html", context))


@require_POST
def batch_retry(request: PersonalRequest, batch_id: uuid.UUID) -> HttpResponse:
    """Ask again for what failed: a new batch."""
    first = Operation.objects.filter(batch=batch_id).first()
    if first is None:
        raise Http404("There is no such batch.")
    if not _may(request, OperationKind(first.kind)):
        raise PermissionDenied
    try:
        again = bulk.retry(batch=batch_id, by=asker(request), now=timezone.now())
    except bulk.UnableToAskMany as refusal:
        messages.info(request, refusal.sentence)
        return redirect("batch", batch_id)
    return redirect("batch", again)


def _may(request: PersonalRequest, kind: OperationKind) -> bool:
    permission = bulk.permission_to_retry(kind)
    return permission is not None and request.user.has_perm(permission)


def _stream_url(page: Page[Any]) -> str:
    channels = ["operations", *(f"operation.{operation.pk}" for operation in page.object_list)]
    return "/api/events/stream?" + "&".join(f"channel={channel}" for channel in channels)
