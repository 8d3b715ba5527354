"""What changes a machine: each is recorded as an operation, and answered at once."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from ninja import Query, Router
from ninja.responses import Status
from pydantic import BaseModel, Field

from accounts.requests import PersonalRequest
from cmlmanager.api.forms import refuse_unless_valid
from cmlmanager.api.schemas import Out
from workers import access
from workers.api import fleet
from workers.api.answers import ASKED, accepted
from workers.api.operation_schemas import Reason
from workers.asker import asker
from workers.choices import OperationKind
from workers.life_forms import DeleteForm, TerminateForm
from workers.services import on_demand, records
from workers.services.licenses import requests
from workers.services.operations import asking, rules
from workers.services.operations.requests import ask_monitoring

router = Router(tags=["Worker actions"])


class Termination(Reason):
    """What is to be lost."""

    name: str = Field(
        max_length=255, description="The worker’s name, as a lock against the wrong id.", examples=["ccnp-encor-01"]
    )
    give_up_seat: bool = Field(
        False, description="Go on even if the licence cannot be given back; its seat may then stay taken."
    )
    seat_reason: str = Field("", max_length=500, description="Why that is acceptable; needed with give_up_seat.")
    give_up_labs: bool = Field(False, description="Go on even if its labs cannot be saved; they are then lost with the disk.")
    labs_reason: str = Field("", max_length=400, description="Why they may be lost; needed with give_up_labs.")


class Monitoring(Reason):
    """How often CloudWatch measures."""

    detailed: bool = Field(description="True: every minute, for about 2.10 USD a month. False: every five minutes.")


class DeleteQuery(BaseModel):
    """What becomes of the instance."""

    keep_instance: bool = Field(False, description="An instance that still exists goes on without the portal, and is paid for.")
    reason: str = Field("", max_length=500, description="Goes into the audit.")


class RefreshAsked(Out):
    """It is being read."""

    sentence: str = Field(examples=["ccnp-encor-01 is being read from EC2 and CML."])


@router.post("workers/{uuid:worker_id}/start", response=ASKED, operation_id="startWorker", summary="Start a worker")
def start(request: PersonalRequest, response: HttpResponse, worker_id: uuid.UUID, body: Reason | None = None) -> Any:
    """Start the machine; the operation ends when its CML is ready."""
    found = access.worker_to_act_on(request, worker_id, "workers.start_worker")
    by = asker(request, body.reason if body else "")
    return accepted(response, asking.ask(kind=OperationKind.START, worker=found, by=by, now=timezone.now()))


@router.post("workers/{uuid:worker_id}/stop", response=ASKED, operation_id="stopWorker", summary="Stop a worker")
def stop(request: PersonalRequest, response: HttpResponse, worker_id: uuid.UUID, body: Reason | None = None) -> Any:
    """Stop the machine. Its labs are saved and its running labs stopped first, as far as its CML can be asked."""
    found = access.worker_to_act_on(request, worker_id, "workers.stop_worker")
    by = asker(request, body.reason if body else "")
    return accepted(response, asking.ask(kind=OperationKind.STOP, worker=found, by=by, now=timezone.now()))


@router.post("workers/{uuid:worker_id}/terminate", response=ASKED, operation_id="terminateWorker", summary="Terminate a worker")
def terminate(request: PersonalRequest, response: HttpResponse, worker_id: uuid.UUID, body: Termination) -> Any:
    """End the instance and its disk for good. Its labs are saved and its licence is given back first, unless you give them up."""
    found = access.worker_to_act_on(request, worker_id, "workers.terminate_worker")
    form = TerminateForm(
        found,
        body.model_dump(),
        seat_at_stake=rules.seat_is_at_stake(found),
        can_give_back=rules.can_give_back(found),
        labs_at_stake=rules.labs_are_at_stake(found),
    )
    refuse_unless_valid(form)
    operation = requests.ask_termination(
        worker=found,
        give_up_seat=form.cleaned_data.get("give_up_seat", False),
        seat_reason=form.cleaned_data.get("seat_reason", ""),
        labs_reason=form.cleaned_data["labs_reason"] if form.cleaned_data.get("give_up_labs") else "",
        by=asker(request, form.cleaned_data["reason"]),
        now=timezone.now(),
    )
    return accepted(response, operation)


@router.put(
    "workers/{uuid:worker_id}/monitoring", response=ASKED, operation_id="setMonitoring", summary="Set detailed monitoring"
)
def monitoring(request: PersonalRequest, response: HttpResponse, worker_id: uuid.UUID, body: Monitoring) -> Any:
    """Have CloudWatch measure every minute, or every five."""
    found = access.worker_to_act_on(request, worker_id, "workers.monitor_worker")
    by = asker(request, body.reason)
    return accepted(response, ask_monitoring(worker=found, on=body.detailed, by=by, now=timezone.now()))


@router.post(
    "workers/{uuid:worker_id}/refresh", response={202: RefreshAsked}, operation_id="refreshWorker", summary="Refresh a worker"
)
def refresh(request: PersonalRequest, worker_id: uuid.UUID) -> Any:
    """Have EC2 and CML asked now. Refused with the reason, and the seconds after which it makes sense to ask again."""
    found = access.worker_to_act_on(request, worker_id, "workers.refresh_worker")
    address = asker(request).from_address
    on_demand.request_refresh(worker=found, by=request.user, now=timezone.now(), from_address=address)
    return Status(202, RefreshAsked(sentence=f"{found} is being read from EC2 and CML."))


@fleet.router.delete(
    "workers/{uuid:worker_id}",
    response={204: None},
    operation_id="deleteWorker",
    summary="Delete a worker’s record",
    tags=["Worker actions"],
)
def delete(request: PersonalRequest, worker_id: uuid.UUID, query: Query[DeleteQuery]) -> Any:
    """Have the portal forget the worker. Its instance is not touched."""
    found = access.worker_to_act_on(request, worker_id, "workers.delete_worker")
    has_instance = rules.may_delete_record(found, keep_instance=False).verdict != rules.Verdict.ACT
    form = DeleteForm(found, query.model_dump(), has_instance=has_instance)
    refuse_unless_valid(form, place="query")
    keep = form.cleaned_data.get("keep_instance", False)
    by = asker(request, form.cleaned_data["reason"])
    records.delete_record(worker=found, keep_instance=keep, by=by, now=timezone.now())
    return Status(204, None)
