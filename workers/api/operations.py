"""What was asked for, and what came of it."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router
from pydantic import Field

from accounts.requests import PersonalRequest
from cmlmanager.api.paging import PageQuery, paged
from workers.api import operation_schemas as schemas
from workers.api.answers import operation_shown, row_fields
from workers.choices import OperationKind, OperationState
from workers.models import Operation
from workers.operation_listing import MAX_TEXT, OperationsQuery

router = Router(tags=["Operations"])


class OperationsFilter(PageQuery):
    """Which operations."""

    kind: list[OperationKind] = Field(
        [], description="Any of these kinds. Looks into EC2 change nothing: they come only when asked for."
    )
    state: list[OperationState] = Field([], description="Any of these states.")
    q: str = Field(
        "", max_length=MAX_TEXT, description="A part of the worker’s or the lab’s name, or the worker’s instance id."
    )
    person: str = Field("", max_length=MAX_TEXT, description="A part of the name of whoever asked.")
    worker: uuid.UUID | None = Field(None, description="Of this worker.")
    in_flight: bool = Field(False, description="Only what has not ended.")

    def operations_query(self) -> OperationsQuery:
        """The same as the operations page has it."""
        return OperationsQuery(
            kinds=tuple(dict.fromkeys(kind.value for kind in self.kind)),
            states=tuple(dict.fromkeys(state.value for state in self.state)),
            person=" ".join(self.person.split()),
            q=" ".join(self.q.split()),
            worker=self.worker,
            in_flight=self.in_flight,
        )


@router.get("operations", response=schemas.OperationPage, operation_id="listOperations", summary="List operations")
def operations(request: PersonalRequest, response: HttpResponse, query: Query[OperationsFilter]) -> dict[str, Any]:
    """What was asked for, newest first."""
    found = query.operations_query().apply(Operation.objects.all())
    return paged(request, response, found, query, lambda rows: [schemas.OperationRow(**row_fields(row)) for row in rows])


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
