"""What was asked for, and what came of it."""

from __future__ import annotations

import uuid

from django.shortcuts import get_object_or_404
from ninja import Router

from accounts.requests import PersonalRequest
from workers.api import operation_schemas as schemas
from workers.api.answers import operation_shown
from workers.models import Operation

router = Router(tags=["Operations"])


@router.get(
    "operations/{uuid:operation_id}",
    response=schemas.Operation,
    operation_id="getOperation",
    summary="Read an operation",
    url_name="operation",
)
def operation(request: PersonalRequest, operation_id: uuid.UUID) -> schemas.Operation:
    """One operation with its steps."""
    return operation_shown(get_object_or_404(Operation, pk=operation_id))
