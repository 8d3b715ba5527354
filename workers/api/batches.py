"""The same thing asked of many workers: an operation for each, and what came of them."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any, Literal

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Router
from ninja.responses import Status
from pydantic import Field

from accounts.requests import PersonalRequest
from cmlmanager.api.paging import PageQuery, paged
from cmlmanager.api.problems import invalid
from cmlmanager.api.schemas import In, Out
from workers.api import operation_schemas as schemas
from workers.api.answers import row_fields
from workers.api.fleet import WorkersFilter
from workers.api.tags import TagChanges, check_tags
from workers.asker import asker
from workers.choices import OperationKind, OperationState
from workers.models import Operation, Worker
from workers.services import on_demand
from workers.services.operations import bulk

router = Router(tags=["Operations"])


class Selection(In):
    """Which workers: by their ids, or all that match a filter."""

    ids: list[uuid.UUID] | None = Field(None, max_length=bulk.MOST, description="Ids that are no worker’s are left out.")
    filter: WorkersFilter | None = Field(None, description=f"As the list has it; at most {bulk.MOST} workers may match.")


class BulkRequest(TagChanges):
    """What is asked of each."""

    action: Literal["start", "stop", "tag"]
    workers: Selection


class BulkRefresh(In):
    """Which workers are to be read."""

    workers: Selection


class Batch(Out):
    """What was asked of many at once: how far it is. Its operations are a list of their own."""

    id: uuid.UUID
    kind: OperationKind
    in_flight: bool = Field(description="Whether some of it still goes on.")
    counts: dict[OperationState, int] = Field(description="How many of its operations are in each state.")


class RefreshOutcome(Out):
    """Of one worker: whether it is being read, and if not, why."""

    id: uuid.UUID
    name: str
    accepted: bool
    sentence: str


class RefreshOutcomes(Out):
    """Of each worker."""

    items: list[RefreshOutcome]


@router.post("workers/bulk", response={202: Batch}, operation_id="askManyWorkers", summary="Start, stop or tag many")
def ask_many(request: PersonalRequest, response: HttpResponse, body: BulkRequest) -> Any:
    """Record an operation for each worker. One that is refused at once is recorded too, so that the batch holds a result for each."""
    kind = OperationKind(body.action)
    if not request.user.has_perm(bulk.PERMISSIONS[kind]):
        raise PermissionDenied
    if kind == OperationKind.TAG:
        check_tags(body, None)
    elif body.set or body.remove:
        raise invalid("body", "/set" if body.set else "/remove", "Only with the action tag.")
    chosen = _selected(request, body.workers)
    parameters = body.parameters() if kind == OperationKind.TAG else None
    by = asker(request, body.reason)
    batch = bulk.ask_many(kind=kind, workers=chosen, by=by, now=timezone.now(), parameters=parameters)
    return _accepted(response, batch)


@router.post("workers/bulk/refresh", response={202: RefreshOutcomes}, operation_id="refreshManyWorkers", summary="Refresh many")
def refresh_many(request: PersonalRequest, body: BulkRefresh) -> Any:
    """Have EC2 and CML asked now about each, as far as that makes sense."""
    # As on the fleet page: what is done with many at once is for those who may change something.
    if not request.user.has_perm("workers.stop_worker") or not request.user.has_perm("workers.refresh_worker"):
        raise PermissionDenied
    chosen = _selected(request, body.workers)
    address = asker(request).from_address
    asked = on_demand.request_many(workers=chosen, by=request.user, now=timezone.now(), from_address=address)
    items = [
        RefreshOutcome(id=worker.pk, name=str(worker), accepted=refusal is None, sentence=refusal.sentence if refusal else "")
        for worker, refusal in asked
    ]
    return Status(202, RefreshOutcomes(items=items))


@router.get("batches/{uuid:batch_id}", response=Batch, operation_id="getBatch", summary="Read a batch", url_name="batch")
def batch(request: PersonalRequest, batch_id: uuid.UUID) -> Batch:
    """How far it is."""
    return _batch(batch_id)


@router.get(
    "batches/{uuid:batch_id}/operations",
    response=schemas.OperationPage,
    operation_id="listBatchOperations",
    summary="List a batch’s operations",
)
def batch_operations(
    request: PersonalRequest, response: HttpResponse, batch_id: uuid.UUID, query: Query[PageQuery]
) -> dict[str, Any]:
    """A result for each worker, by name."""
    found = Operation.objects.filter(batch=batch_id).order_by("worker_name", "subject_name", "id")
    if not found.exists():
        raise Http404
    return paged(request, response, found, query, lambda rows: [schemas.OperationRow(**row_fields(row)) for row in rows])


@router.post("batches/{uuid:batch_id}/retry", response={202: Batch}, operation_id="retryBatch", summary="Try again what failed")
def retry(request: PersonalRequest, response: HttpResponse, batch_id: uuid.UUID) -> Any:
    """Ask again for what failed or was refused: a new batch."""
    first = Operation.objects.filter(batch=batch_id).first()
    if first is None:
        raise Http404
    permission = bulk.permission_to_retry(OperationKind(first.kind))
    if permission is None or not request.user.has_perm(permission):
        raise PermissionDenied
    return _accepted(response, bulk.retry(batch=batch_id, by=asker(request), now=timezone.now()))


def _accepted(response: HttpResponse, batch_id: uuid.UUID) -> Status[Batch]:
    response["Location"] = reverse("api:batch", args=[batch_id])
    return Status(202, _batch(batch_id))


def _batch(batch_id: uuid.UUID) -> Batch:
    rows = list(Operation.objects.filter(batch=batch_id).values_list("kind", "state"))
    if not rows:
        raise Http404
    counts = Counter(OperationState(state) for _, state in rows)
    in_flight = any(counts[state] for state in OperationState.in_flight())
    return Batch(id=batch_id, kind=OperationKind(rows[0][0]), in_flight=in_flight, counts=dict(counts))


def _selected(request: PersonalRequest, selection: Selection) -> list[Worker]:
    """The workers meant; one more than allowed shows that there are too many."""
    if (selection.ids is None) == (selection.filter is None):
        raise invalid("body", "/workers", "Give either ids or a filter.")
    visible = Worker.objects.visible_to(request.user)
    if selection.filter is not None:
        visible = selection.filter.fleet_query().apply(visible)
    else:
        visible = visible.filter(pk__in=selection.ids or []).order_by("name", "id")
    return list(visible[: bulk.MOST + 1])
