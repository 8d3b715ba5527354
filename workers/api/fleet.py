"""The fleet: the list with the page's filters and orders, and one worker."""

from __future__ import annotations

import uuid
from dataclasses import replace
from enum import StrEnum
from typing import Any

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import Field

from accounts.requests import PersonalRequest
from cmlmanager.api.paging import PageQuery, paged
from cmlmanager.api.schemas import In
from workers import access
from workers.api import worker_schemas as schemas
from workers.api.showing import worker_detail, workers_shown
from workers.choices import Attention, MachineState, ServiceState
from workers.listing import MAX_TEXT, SORTS, WORST_FIRST, FleetQuery
from workers.models import Worker

router = Router(tags=["Workers"])

WorkerSort = StrEnum("WorkerSort", {key: key for key in (WORST_FIRST, *SORTS, *(f"-{key}" for key in SORTS))})  # type: ignore[misc]
WorkerSort.__doc__ = (
    "By what, with a minus from the highest down; attention: worst first. Unknown figures come last either way."
)


class WorkersFilter(In):
    """Which workers. Of one member any value may match, all members must."""

    q: str = Field(
        "", max_length=MAX_TEXT, description="Words that its name, ids, addresses, type, description or tags must contain."
    )
    region: list[str] = Field([], max_length=20, description="Any of these regions.")
    state: list[MachineState] = Field([], description="Any of these states of the machine.")
    service: list[ServiceState] = Field([], description="Any of these states of CML.")
    attention: schemas.AttentionWord | None = Field(None, description="How badly it needs somebody.")
    tag: str = Field("", max_length=128 + 1 + 256, description="`key`, or `key=value`, as EC2 has it, in this case.")
    alerts: bool = Field(False, description="Only those with an open alert.")
    gone: bool = Field(False, description="Terminated ones, and those that could not be created, too.")

    def fleet_query(self) -> FleetQuery:
        """The same as the fleet page has it."""
        return FleetQuery(
            q=" ".join(self.q.split()),
            regions=tuple(dict.fromkeys(self.region)),
            states=tuple(dict.fromkeys(state.value for state in self.state)),
            services=tuple(dict.fromkeys(state.value for state in self.service)),
            attention=Attention[self.attention.upper()].value if self.attention else "",
            tag=self.tag.strip(),
            alerts=self.alerts,
            gone=self.gone,
        )


class WorkersQuery(PageQuery, WorkersFilter):
    """Which workers, in which order."""

    sort: WorkerSort = Field(WorkerSort(WORST_FIRST), description=WorkerSort.__doc__)

    def fleet_query(self) -> FleetQuery:
        return replace(super().fleet_query(), sort=self.sort.removeprefix("-"), descending=self.sort.startswith("-"))


@router.get("workers", response=schemas.WorkerPage, operation_id="listWorkers", summary="List workers")
def workers(request: PersonalRequest, response: HttpResponse, query: Query[WorkersQuery]) -> dict[str, Any]:
    """The fleet, worst first unless you say otherwise: the same filters and orders as on the fleet page."""
    found = query.fleet_query().apply(Worker.objects.visible_to(request.user))
    return paged(request, response, found, query, workers_shown)


@router.get("workers/{uuid:worker_id}", response=schemas.WorkerDetail, operation_id="getWorker", summary="Read a worker")
def worker(request: PersonalRequest, worker_id: uuid.UUID) -> schemas.WorkerDetail:
    """Everything about one worker, with what you may ask of it now."""
    return worker_detail(access.worker_to_see(request, worker_id), user=request.user)
