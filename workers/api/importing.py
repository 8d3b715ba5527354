"""Existing instances become workers: what to look for, what was found, and which of it."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status
from pydantic import Field

from accounts.requests import PersonalRequest
from cmlmanager.api.forms import refuse_unless_valid
from cmlmanager.api.problems import invalid
from cmlmanager.api.schemas import In, Out
from workers import finding
from workers.api import operation_schemas
from workers.api.answers import accepted, operation_shown
from workers.asker import asker
from workers.choices import OperationKind
from workers.creation_forms import ImportForm
from workers.models import Operation, StrayInstance, Worker
from workers.services import importing
from workers.services.importing import ImportResult
from workers.services.operations.looks import MOST

router = Router(tags=["Worker actions"])


class Search(In):
    """What to look for."""

    region: str = Field(max_length=32, examples=["us-east-1"])
    by: finding.By
    value: str = Field("", max_length=400, description="The id, the AMI’s name with * and ?, or a tag as key or key=value.")


class Found(Out):
    """An instance that was found."""

    instance_id: str
    name: str
    state: str
    instance_type: str
    image_id: str
    skipped: str = Field(description="Why it would be skipped; empty when it would be imported.")
    worker: uuid.UUID | None = Field(description="The worker that it is by now.")


class Findings(Out):
    """What a look found."""

    operation: operation_schemas.Operation
    instances: list[Found]


class Chosen(In):
    """Which of them: by their instance ids, or all."""

    instance_ids: list[str] = Field([], max_length=MOST, examples=[["i-0123456789abcdef0"]])
    all: bool = False

    def ids(self) -> set[str] | None:
        """Those meant; None: all. Raises Problem."""
        if self.all == bool(self.instance_ids):
            raise invalid("body", "/instance_ids", "Give either instance_ids or all.")
        return None if self.all else set(self.instance_ids)


class Imported(Out):
    """What became of them."""

    imported: list[operation_schemas.Subject]
    skipped: dict[str, str] = Field(description="Instance id → why it is none.")


class Stray(Out):
    """An instance with the portal’s tag that no worker stands for: somebody pays for it."""

    region: str
    instance_id: str
    name: str
    state: str


class Strays(Out):
    """All of them."""

    items: list[Stray]


@router.post(
    "workers/imports", response={202: operation_schemas.Operation}, operation_id="findInstances", summary="Look for instances"
)
def find(request: PersonalRequest, response: HttpResponse, body: Search) -> Any:
    """First step: have EC2 asked. Nothing is imported yet. When the operation has succeeded, read what was found."""
    _may(request)
    form = ImportForm(body.model_dump())
    refuse_unless_valid(form)
    region, question = form.cleaned_data["region"], form.cleaned_data["question"]
    look = importing.look_for_instances(region=region, question=question, by=asker(request), now=timezone.now())
    answer = accepted(response, look)
    response["Location"] = reverse("api:findings", args=[look.pk])
    return answer


@router.get(
    "workers/imports/{uuid:operation_id}",
    response=Findings,
    operation_id="getFoundInstances",
    summary="Read what was found",
    url_name="findings",
)
def findings(request: PersonalRequest, operation_id: uuid.UUID) -> Findings:
    """The instances, with why some of them would be skipped."""
    _may(request)
    look = _look(operation_id)
    found = look.result.get("instances", [])
    ids = [one["instance_id"] for one in found]
    known = dict(Worker.objects.filter(instance_id__in=ids).values_list("instance_id", "pk"))
    same = ("instance_id", "name", "state", "instance_type", "image_id", "skipped")
    instances = [Found(**{name: one.get(name) or "" for name in same}, worker=known.get(one["instance_id"])) for one in found]
    return Findings(operation=operation_shown(look), instances=instances)


@router.post(
    "workers/imports/{uuid:operation_id}", response={201: Imported}, operation_id="importInstances", summary="Import instances"
)
def import_found(request: PersonalRequest, operation_id: uuid.UUID, body: Chosen) -> Any:
    """Second step: make workers of what was found. What is one already is skipped."""
    _may(request)
    look = _look(operation_id)
    result = importing.import_found(look=look, instance_ids=body.ids(), by=asker(request), now=timezone.now())
    return Status(201, _imported(result))


@router.get("workers/strays", response=Strays, operation_id="listStrays", summary="List stray instances")
def strays(request: PersonalRequest) -> Strays:
    """Instances that the portal made, or that say so, without a worker."""
    _may(request)
    rows = StrayInstance.objects.all()
    return Strays(items=[Stray(region=r.region, instance_id=r.instance_id, name=r.name, state=r.state) for r in rows])


@router.post("workers/strays", response={201: Imported}, operation_id="adoptStrays", summary="Adopt stray instances")
def adopt(request: PersonalRequest, body: Chosen) -> Any:
    """Make workers of them."""
    _may(request)
    result = importing.adopt(instance_ids=body.ids(), by=asker(request, "Adopted"), now=timezone.now())
    return Status(201, _imported(result))


def _may(request: PersonalRequest) -> None:
    if not request.user.has_perm("workers.import_worker"):
        raise PermissionDenied


def _look(operation_id: uuid.UUID) -> Operation:
    look = get_object_or_404(Operation, pk=operation_id, kind=OperationKind.LOOK)
    if look.parameters.get("what") != "instances":
        raise Http404
    return look


def _imported(result: ImportResult) -> Imported:
    made = [operation_schemas.Subject(id=worker.pk, name=str(worker)) for worker in result.imported]
    return Imported(imported=made, skipped=result.skipped)
