"""Whether the portal may do in a region what its buttons offer: asked of AWS by dry runs. Nothing is changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from workers import provisioning
from workers.choices import MachineState
from workers.clients import aws
from workers.finding import OUR_TAG
from workers.models import Worker

# Short: a region that does not answer must not hold up the others' checks.
_TIMEOUTS: dict[str, Any] = {"connect_timeout": 3, "read_timeout": 10, "max_attempts": 2}
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
    """All rights in one region. `error` says why nothing could be tested, with `rights` empty; `latency_ms` is of one question."""

    region: str
    latency_ms: float
    rights: tuple[RightTested, ...] = ()
    error: str = ""

    def of(self, verdict: str) -> list[RightTested]:
        return [right for right in self.rights if right.verdict == verdict]


def look(*, region: str) -> RegionTested:
    """Ask AWS about every right in `region`: about a dozen small requests. Never raises AwsError: that it does not say is an answer, too."""
    client = aws.client_for(region=region, endpoint_url=settings.AWS_ENDPOINT_URL, **_TIMEOUTS)
    started = time.perf_counter()
    try:
        checks = client.probe(instance_id=_instance(region), launch=_launch(region))
    except aws.AwsError as error:
        return RegionTested(region=region, latency_ms=_since(started), error=error.sentence)
    asked = sum(check.verdict != aws.Verdict.UNTESTED for check in checks)
    latency = round(_since(started) / max(1, asked), 1)
    rights = tuple(
        RightTested(
            action=check.right.action,
            purpose=check.right.purpose,
            changes=check.right.changes,
            verdict=check.verdict.value,
            sentence=check.sentence,
        )
        for check in checks
    )
    return RegionTested(region=region, latency_ms=latency, rights=rights)


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _instance(region: str) -> str:
    """An instance of ours that EC2 still knows; "" when there is none."""
    alive = Worker.objects.filter(region=region).exclude(instance_id="").exclude(machine_state__in=_GONE)
    return alive.order_by("created_at").values_list("instance_id", flat=True).first() or ""


def _launch(region: str) -> dict[str, Any] | None:
    """A launch as somebody could ask for it here: of a template that names an AMI, or of a worker's. None when there is neither."""
    templates = [one for one in provisioning.templates(settings.PROVISIONING) if one.region in ("", region)]
    named = next((one for one in templates if one.image.startswith("ami-") and one.region == region), None)
    worker = Worker.objects.filter(region=region).exclude(ami_id="").order_by("-created_at").first()
    if named is None and worker is None:
        return None
    template = named or (templates[0] if templates else None)
    launch: dict[str, Any] = {
        "image_id": named.image if named else worker.ami_id if worker else "",
        "instance_type": template.instance_type if template else worker.instance_type if worker else "",
        "tags": {"Name": "dry run", OUR_TAG: "00000000-0000-0000-0000-000000000000"},
    }
    if template is not None and template.region == region:
        launch |= {
            "subnet_id": template.subnet_id,
            "security_group_ids": list(template.security_group_ids),
            "key_name": template.key_name,
        }
    return launch
