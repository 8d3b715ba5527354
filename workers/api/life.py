"""What changes a machine: each is recorded as an operation, and answered at once."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router

from accounts.requests import PersonalRequest
from workers import access
from workers.api.answers import ASKED, accepted
from workers.api.operation_schemas import Reason
from workers.asker import asker
from workers.choices import OperationKind
from workers.services.operations import asking

router = Router(tags=["Worker actions"])


@router.post("workers/{uuid:worker_id}/start", response=ASKED, operation_id="startWorker", summary="Start a worker")
def start(request: PersonalRequest, response: HttpResponse, worker_id: uuid.UUID, body: Reason | None = None) -> Any:
    """Start the machine; the operation ends when its CML is ready."""
    found = access.worker_to_act_on(request, worker_id, "workers.start_worker")
    by = asker(request, body.reason if body else "")
    return accepted(response, asking.ask(kind=OperationKind.START, worker=found, by=by, now=timezone.now()))
