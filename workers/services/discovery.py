"""Instances that match a pattern of AMI names or a tag are imported by themselves, every hour, in several regions. Off by default."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from cmlmanager import runtime
from workers import finding
from workers.models import RegionCheck
from workers.services import importing, record
from workers.services.operations.asking import Asker

logger = logging.getLogger(__name__)

AGAIN = timedelta(minutes=5)  # after AWS did not answer


def tick(*, now: datetime) -> int:
    """Look in every region whose time has come, and import what is new; returns how many regions were looked in."""
    questions = _questions()
    if not questions:
        return 0
    # What was planned by a longer interval than today's.
    line = now + timedelta(seconds=runtime.value("DISCOVERY_INTERVAL"))
    RegionCheck.objects.filter(discovery_due_at__gt=line).update(discovery_due_at=line)
    return sum(
        _discover(region, questions, now=now) for region in runtime.value("DISCOVERY_REGIONS") if _claim(region, now=now)
    )


def look_again(*, at: datetime) -> None:
    """What is looked for has changed: every region is due at that moment."""
    RegionCheck.objects.update(discovery_due_at=at)


def _questions() -> list[dict[str, Any]]:
    if not runtime.value("DISCOVERY"):
        return []
    asked = ((finding.By.IMAGE_NAME, runtime.value("DISCOVERY_AMI_NAME")), (finding.By.TAG, runtime.value("DISCOVERY_TAG")))
    return [finding.question(by, value) for by, value in asked if value]


def _claim(region: str, *, now: datetime) -> bool:
    """Take `region` if its time has come; False when it has not, or somebody else has it: two beats look once."""
    RegionCheck.objects.get_or_create(region=region)
    due = RegionCheck.objects.filter(Q(discovery_due_at__isnull=True) | Q(discovery_due_at__lte=now), region=region)
    return bool(due.update(discovery_due_at=now + timedelta(seconds=runtime.value("DISCOVERY_INTERVAL"))))


def _discover(region: str, questions: list[dict[str, Any]], *, now: datetime) -> bool:
    by = Asker(actor=record.SYSTEM, reason="Discovered")
    try:
        found = {item["instance_id"]: item for asked in questions for item in importing.find(region=region, question=asked)}
    except importing.UnableToFind as error:
        logger.warning("Discovery failed in %s: %s (%s)", region, error.sentence, error.detail)
        # Sooner than the interval says, unless that is shorter.
        soon = now + min(AGAIN, timedelta(seconds=runtime.value("DISCOVERY_INTERVAL")))
        RegionCheck.objects.filter(region=region).update(discovery_due_at=soon)
        return False
    new = [item for item in found.values() if not item["skipped"]]
    result = importing.import_instances(region=region, instances=new, by=by, now=now)
    RegionCheck.objects.filter(region=region).update(discovered_at=now)
    if result.imported:
        logger.info("Discovered in %s: %s", region, ", ".join(map(str, result.imported)))
    return True
