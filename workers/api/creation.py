"""A new worker: what it shall be, which image EC2 has for it, and then the making. The same two steps as on the pages."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router
from pydantic import Field

from accounts.requests import PersonalRequest
from cmlmanager.api.forms import refuse_unless_valid
from cmlmanager.api.problems import invalid
from cmlmanager.api.schemas import In, Out
from workers import provisioning, tag_rules
from workers.api import fleet, operation_schemas
from workers.api.answers import accepted, operation_shown
from workers.asker import asker
from workers.choices import OperationKind
from workers.creation_forms import CreateWorkerForm
from workers.models import Operation
from workers.services import creation

router = Router(tags=["Worker actions"])


class Proposal(In):
    """What the instance of a new worker shall be."""

    name: str = Field(min_length=1, max_length=255, examples=["ccnp-encor-09"])
    region: str = Field(max_length=32, description="One of the portal’s regions.", examples=["us-east-1"])
    instance_type: str = Field(
        "m5zn.metal", max_length=32, description="Bare metal, or C8i, M8i or R8i with nested virtualisation."
    )
    nested_virtualization: bool = False
    image: str = Field(max_length=128, description="An AMI id, or a name pattern.", examples=["cisco-cml2.9*"])
    cml_version: str = Field("", max_length=48, description="A note, kept as a tag.")
    subnet_id: str = Field("", max_length=32, description="Empty: the region’s default.")
    security_group_ids: list[str] = Field([], max_length=provisioning.SECURITY_GROUPS, description="Empty: the VPC’s default.")
    key_name: str = Field("", max_length=255, description="For SSH; empty: none.")
    root_volume_gib: int | None = Field(
        None, ge=provisioning.ROOT_VOLUME_GIB[0], le=provisioning.ROOT_VOLUME_GIB[1], description="Null: the image’s own size."
    )
    require_imds_v2: bool = True
    detailed_monitoring: bool = False
    tags: dict[str, str] = Field({}, max_length=tag_rules.MOST_TAGS)


class Image(Out):
    """An image that was found."""

    image_id: str
    name: str
    description: str
    created_at: str = Field(description="ISO time; empty when EC2 does not say.")
    owner_id: str


class Charge(Out):
    """Something that AWS will charge for."""

    what: str
    how_much: str


class Proposed(Out):
    """A proposal with what EC2 said of it. Choose one of the images while its operation is not older than twelve hours."""

    operation: operation_schemas.Operation
    images: list[Image]
    warnings: list[str] = Field(description="What is legal and yet seldom meant.")
    paid_for: list[Charge]
    worker: uuid.UUID | None = Field(description="The worker that it has become.")


class Confirmation(In):
    """Which proposal, from which image."""

    proposal: uuid.UUID = Field(description="The id of the operation that the proposal was answered with.")
    image_id: str = Field(max_length=32, examples=["ami-0123456789abcdef0"])


@router.post(
    "workers/proposals", response={202: operation_schemas.Operation}, operation_id="proposeWorker", summary="Propose a worker"
)
def propose(request: PersonalRequest, response: HttpResponse, body: Proposal) -> Any:
    """First step: have EC2 asked which images are meant. Nothing is made yet. When the operation has succeeded, read the proposal."""
    _may(request)
    data = body.model_dump() | {
        "security_group_ids": ",".join(body.security_group_ids),
        "tags": "\n".join(f"{key}={value}" for key, value in body.tags.items()),
    }
    form = CreateWorkerForm(data)
    refuse_unless_valid(form)
    if form.cleaned_data["tags"] != body.tags:
        raise invalid("body", "/tags", "A key holds no “=” here, no key is empty, and nothing begins or ends with a space.")
    look = creation.look_for_images(proposal=form.proposal, by=asker(request), now=timezone.now())
    answer = accepted(response, look)
    response["Location"] = reverse("api:proposal", args=[look.pk])
    return answer


@router.get(
    "workers/proposals/{uuid:operation_id}",
    response=Proposed,
    operation_id="getProposal",
    summary="Read a proposal",
    url_name="proposal",
)
def proposal(request: PersonalRequest, operation_id: uuid.UUID) -> Proposed:
    """Which images were found, what will be paid for, and what is odd about it."""
    _may(request)
    look, proposed = _proposed(operation_id)
    return Proposed(
        operation=operation_shown(look),
        images=[Image(**{name: one.get(name) or "" for name in Image.model_fields}) for one in look.result.get("images", [])],
        warnings=creation.warnings(proposed),
        paid_for=[Charge(what=what, how_much=how_much) for what, how_much in creation.paid_for(proposed)],
        worker=look.result.get("worker"),
    )


@fleet.router.post(
    "workers",
    response={202: operation_schemas.Operation},
    operation_id="createWorker",
    summary="Create a worker",
    tags=["Worker actions"],
)
def create(request: PersonalRequest, response: HttpResponse, body: Confirmation) -> Any:
    """Second step: make the proposed worker from one of the images. From when EC2 says running, it is paid for."""
    _may(request)
    look, _ = _proposed(body.proposal, missing="body")
    worker = creation.confirm(look=look, image_id=body.image_id, by=asker(request), now=timezone.now())
    return accepted(response, Operation.objects.get(worker=worker, kind=OperationKind.CREATE))


def _may(request: PersonalRequest) -> None:
    if not request.user.has_perm("workers.add_worker"):
        raise PermissionDenied


def _proposed(operation_id: uuid.UUID, *, missing: str = "") -> tuple[Operation, dict[str, Any]]:
    look = Operation.objects.filter(pk=operation_id).first()
    proposed = creation.proposal_of(look) if look else None
    if look is not None and proposed is not None:
        return look, proposed
    if missing:
        raise invalid(missing, "/proposal", "There is no such proposal.")
    raise Http404
