"""A new worker: proposed, looked up in EC2, confirmed, and then made by an operation."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from workers import aws_accounts, events
from workers.choices import EventKind, MachineState, OperationKind, OperationState
from workers.models import Operation, Worker
from workers.provisioning import VERSION_TAG, has_nested_virtualization, is_metal
from workers.services import record
from workers.services.operations import asking
from workers.services.operations.asking import Asker

LOOK_HOLDS = timedelta(hours=12)  # how long the images that were found may be chosen from
_PROPOSAL = "proposal"

# AWS's list prices of us-east-1, USD; other regions differ (aws.amazon.com/ec2/pricing, /ebs/pricing, /vpc/pricing, /cloudwatch/pricing).
_GP3_GIB_MONTH = Decimal("0.08")
_ADDRESS_HOUR = Decimal("0.005")
_DETAILED_MONTH = Decimal("2.10")  # seven metrics


class UnableToCreate(Exception):
    """Why nothing was recorded, as a sentence. `worker` is the one that this proposal has become already, if any."""

    def __init__(self, sentence: str, *, worker: Worker | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.worker = worker


def look_for_images(*, proposal: Mapping[str, Any], by: Asker, now: datetime) -> Operation:
    """Have EC2 asked which images `proposal` means; the operation keeps the proposal until it is confirmed.

    A proposal has name, account (a key of workers.aws_accounts), region, instance_type, image_id or image_name, cml_version, subnet_id,
    security_group_ids, key_name, root_volume_gib (or None), require_imds_v2, detailed_monitoring, nested_virtualization and tags, as the
    form cleans them.
    """
    question = {name: proposal[name] for name in ("account", "region", "image_id", "image_name") if proposal.get(name)}
    with transaction.atomic():
        parameters = {"what": "images", **question, _PROPOSAL: dict(proposal)}
        return asking.add(kind=OperationKind.LOOK, worker=None, by=by, now=now, parameters=parameters)


def proposal_of(look: Operation) -> dict[str, Any] | None:
    """The proposal that `look` was asked for; None when it was asked for something else."""
    proposal = look.parameters.get(_PROPOSAL)
    return proposal if look.kind == OperationKind.LOOK and isinstance(proposal, dict) else None


def confirm(*, look: Operation, image_id: str, by: Asker, now: datetime) -> Worker:
    """Make the worker that `look` proposes, from one of the images that it found. Whoever confirms twice gets one worker.

    Raises UnableToCreate: not looked yet, another image, too long ago, or confirmed already (then with the worker).
    """
    proposal = proposal_of(look)
    if proposal is None or look.state != OperationState.SUCCEEDED:
        raise UnableToCreate("EC2 has not answered yet; wait until the images are shown.")
    image = next((image for image in look.result.get("images", []) if image["image_id"] == image_id), None)
    if image is None:
        raise UnableToCreate("Choose one of the images that are shown.")
    if look.finished_at and now - look.finished_at > LOOK_HOLDS:
        raise UnableToCreate("These images were looked up too long ago; look again.")
    with transaction.atomic():
        worker_id = uuid.uuid4()
        # Whoever writes the worker's id first makes it: JSON says "is null" of a key that is not there.
        unused = Operation.objects.filter(pk=look.pk, result__worker__isnull=True)
        if not unused.update(result={**look.result, "worker": str(worker_id)}):
            made = Operation.objects.values_list("result", flat=True).get(pk=look.pk)["worker"]
            raise UnableToCreate("This worker was asked for already.", worker=Worker.objects.filter(pk=made).first())
        return create_worker(proposal=proposal, image=image, by=by, now=now, worker_id=worker_id)


def create_worker(
    *, proposal: Mapping[str, Any], image: Mapping[str, Any], by: Asker, now: datetime, worker_id: uuid.UUID | None = None
) -> Worker:
    """Record the worker and the operation that makes its instance, in one transaction. EC2 is asked by the operation."""
    with transaction.atomic():
        worker = Worker.objects.create(
            id=worker_id or uuid.uuid4(),
            account=proposal.get("account", ""),
            region=proposal["region"],
            name=proposal["name"],
            instance_type=proposal["instance_type"],
            ami_id=image["image_id"],
            ami_name=image.get("name", "")[:160],
            machine_state=MachineState.PENDING,
            machine_state_since=now,
            detailed_monitoring=proposal.get("detailed_monitoring", False),
        )
        words = f"{worker.instance_type} in {aws_accounts.in_words(worker.account, worker.region)} from {worker.ami_name or worker.ami_id}"
        event = record.event_of(worker, EventKind.CREATED, actor=by.actor, now=now, after=words)
        event.from_address = by.from_address
        event.save()
        events.tell_worker(worker, events.CREATED, by=by.actor, at=now)
        parameters = _arguments(proposal, image)
        asking.add(kind=OperationKind.CREATE, worker=worker, by=by, now=now, parameters=parameters)
        events.announce_membership()
        events.announce_counts()
    return worker


def _arguments(proposal: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """The operation's parameters: what its first step asks EC2 for."""
    tags = dict(proposal.get("tags") or {})
    if proposal.get("cml_version"):
        tags[VERSION_TAG] = proposal["cml_version"]
    same = (
        "instance_type",
        "subnet_id",
        "security_group_ids",
        "key_name",
        "root_volume_gib",
        "require_imds_v2",
        "detailed_monitoring",
        "nested_virtualization",
    )
    given = {name: proposal[name] for name in same if name in proposal}
    device = image.get("root_device_name", "")
    return {"region": proposal["region"], "image_id": image["image_id"], "root_device_name": device, **given, "tags": tags}


def warnings(proposal: Mapping[str, Any]) -> list[str]:
    """What is legal and yet seldom meant, a sentence each."""
    found = []
    if Worker.objects.listed(include_gone=False).filter(name=proposal["name"]).exists():
        found.append(f"There is a worker called {proposal['name']} already; two of one name are easily mixed up.")
    kind = proposal["instance_type"]
    if not is_metal(kind) and not has_nested_virtualization(kind):
        found.append(
            f"{kind} is neither bare metal nor of a family with nested virtualisation: CML can start no virtual machines on it, "
            "only what runs without KVM."
        )
    return found


def paid_for(proposal: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What AWS will charge for: (what, when and how much). The amounts are list prices of us-east-1."""
    gib = proposal.get("root_volume_gib")
    disk = f"about {gib * _GP3_GIB_MONTH:.2f} USD a month" if gib else f"about {_GP3_GIB_MONTH} USD a GiB and month"
    lines = [
        (
            f"{proposal['instance_type']} in {aws_accounts.in_words(proposal.get('account', ''), proposal['region'])}",
            "By the second while it runs, at EC2’s on-demand price, from when EC2 says running; nothing while it is stopped.",
        ),
        (
            f"{f'{gib} GiB' if gib else 'Root'} volume, gp3",
            f"Until the worker is terminated, also while it is stopped: {disk}.",
        ),
        ("Public address", f"Where the subnet gives one: {_ADDRESS_HOUR} USD an hour while it runs."),
    ]
    if proposal.get("detailed_monitoring"):
        lines.append(("Detailed monitoring", f"Every minute instead of every five: about {_DETAILED_MONTH} USD a month."))
    return lines
