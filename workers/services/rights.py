"""Whether the portal may do in a region what its buttons offer: asked of AWS by dry runs. Nothing is changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError

from cmlmanager import runtime
from workers import aws_accounts, provisioning
from workers.choices import MachineState
from workers.clients import aws
from workers.finding import OUR_TAG
from workers.models import Worker
from workers.querysets import WorkerQuerySet
from workers.services import places

# Short: a region that does not answer must not hold up the others' checks.
TIMEOUTS: dict[str, Any] = {"connect_timeout": 3, "read_timeout": 10, "max_attempts": 2}
_GONE = (MachineState.TERMINATED, MachineState.SHUTTING_DOWN, MachineState.LOST, MachineState.FAILED)


@dataclass(frozen=True, kw_only=True)
class RightTested:
    """One IAM right: `verdict` is allowed, denied or untested, and `sentence` says why it is not allowed. `purpose` is what it is for."""

    action: str
    purpose: str
    changes: bool
    verdict: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class RegionTested:
    """All rights in one region. `error` says why nothing could be tested, with `rights` empty; `latency_ms` is the mean of a question.

    `reachable` tells whether AWS has said anything at all, be it no.
    """

    region: str
    latency_ms: float
    account: str = ""
    rights: tuple[RightTested, ...] = ()
    error: str = ""
    reachable: bool = True

    def of(self, verdict: str) -> list[RightTested]:
        return [right for right in self.rights if right.verdict == verdict]


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """What dry runs are made on: an instance that the portal may change ("" is none), and an image to launch from ("" is none)."""

    instance_id: str = ""
    image_id: str = ""


def look(*, region: str, account: str = "", given: Subjects | None = None) -> RegionTested:
    """Ask AWS about every right in `region` of `account`: about a dozen small requests.

    Never raises AwsError: that it does not say is an answer, too. `given` is what to make dry runs on instead of what the portal knows.
    """
    given = given or Subjects()
    started = time.perf_counter()
    try:
        client = places.client_of(region=region, account=account, **TIMEOUTS)
        workers = _alive(account, region)
        instance = given.instance_id or _instance(workers)
        checks = client.probe(instance_id=instance, launch=_launch(account, region, workers, given.image_id))
    except aws.AwsError as error:
        reachable = not isinstance(error, aws.AwsUnreachable | aws.AwsThrottled)
        latency = _since(started)
        return RegionTested(region=region, account=account, latency_ms=latency, error=error.sentence, reachable=reachable)
    asked = sum(check.verdict != aws.Verdict.UNTESTED for check in checks)
    latency = round(_since(started) / max(1, asked), 1)
    rights = tuple(
        RightTested(
            action=check.right.action,
            purpose=check.right.purpose,
            changes=check.right.changes,
            verdict=check.verdict.value,
            sentence=check.sentence + _hint(check, instance, workers),
        )
        for check in checks
    )
    return RegionTested(region=region, account=account, latency_ms=latency, rights=rights)


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _alive(account: str, region: str) -> list[Worker]:
    """Workers whose instance EC2 still knows, those with our tag first: policies let the portal change only these. [] without a database."""
    alive: WorkerQuerySet = Worker.objects.filter(account=account, region=region).exclude(instance_id="")
    alive = alive.exclude(machine_state__in=_GONE).order_by("created_at")
    try:
        return [*alive.with_tag(OUR_TAG, None)[:1], *alive[:1]]
    except DatabaseError:  # whoever sets the portal up may ask before there is a table
        return []


def _instance(workers: list[Worker]) -> str:
    return workers[0].instance_id if workers else ""


def _hint(check: aws.RightCheck, instance_id: str, workers: list[Worker]) -> str:
    """Why a right may be missing on this instance only."""
    on = next((worker for worker in workers if worker.instance_id == instance_id), None)
    if check.verdict != aws.Verdict.DENIED or check.right.needs != "instance" or on is None or OUR_TAG in on.tags:
        return ""
    return (
        f" It was asked for {instance_id}, which was imported and has not the tag {OUR_TAG}: a policy may allow it for others."
    )


def _launch(account: str, region: str, workers: list[Worker], image_id: str) -> dict[str, Any] | None:
    """A launch as somebody could ask for it here: of a template that names an AMI, or of a worker's. None when there is neither."""
    names = ("", *(found.name for found in aws_accounts.configured() if found.key == account))
    fitting = [
        one
        for one in provisioning.templates(runtime.value("PROVISIONING"))
        if one.region in ("", region) and one.account in names
    ]
    named = next((one for one in fitting if one.image.startswith("ami-") and one.region == region), None)
    template = named or (fitting[0] if fitting else None)
    worker = next((worker for worker in workers if worker.ami_id), None)
    image = image_id or (named.image if named else worker.ami_id if worker else "")
    kind = (template.instance_type if template else "") or (worker.instance_type if worker else "") or "m5zn.metal"
    if not image:
        return None
    launch: dict[str, Any] = {
        "image_id": image,
        "instance_type": kind,
        "tags": {"Name": "dry run", OUR_TAG: "00000000-0000-0000-0000-000000000000"},
    }
    if template is not None and template.region == region:
        launch |= {
            "subnet_id": template.subnet_id,
            "security_group_ids": list(template.security_group_ids),
            "key_name": template.key_name,
        }
    return launch
