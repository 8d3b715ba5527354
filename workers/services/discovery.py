"""Instances that match a pattern of AMI names or a tag are imported by themselves, every hour, in several regions and accounts. Off by default."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from cmlmanager import runtime
from workers import aws_accounts, finding
from workers.models import RegionCheck
from workers.services import importing, places, record
from workers.services.operations.asking import Asker
from workers.services.places import Place

logger = logging.getLogger(__name__)

AGAIN = timedelta(minutes=5)  # after AWS did not answer


def tick(*, now: datetime) -> int:
    """Look in every region of every account whose time has come, and import what is new; returns how many were looked in."""
    questions = _questions()
    if not questions:
        return 0
    # What was planned by a longer interval than today's.
    line = now + timedelta(seconds=runtime.value("DISCOVERY_INTERVAL"))
    RegionCheck.objects.filter(discovery_due_at__gt=line).update(discovery_due_at=line)
    chosen = runtime.value("DISCOVERY_REGIONS")
    wanted = [place for place in places.configured() if not chosen or place.region in chosen]
    # What the fleet refresh cannot read either comes last, so that it keeps nobody else waiting.
    failing = set(RegionCheck.objects.filter(failing_since__isnull=False).values_list("account", "region"))
    wanted.sort(key=lambda place: place in failing)
    return sum(_discover(place, questions, now=now) for place in wanted if _claim(place, now=now))


def look_again(*, at: datetime) -> None:
    """What is looked for has changed: every region is due at that moment."""
    RegionCheck.objects.update(discovery_due_at=at)


def _questions() -> list[dict[str, Any]]:
    if not runtime.value("DISCOVERY"):
        return []
    asked = ((finding.By.IMAGE_NAME, runtime.value("DISCOVERY_AMI_NAME")), (finding.By.TAG, runtime.value("DISCOVERY_TAG")))
    return [finding.question(by, value) for by, value in asked if value]


def _claim(place: Place, *, now: datetime) -> bool:
    """Take `place` if its time has come; False when it has not, or somebody else has it: two beats look once."""
    RegionCheck.objects.get_or_create(account=place.account, region=place.region)
    due = _check(place).filter(Q(discovery_due_at__isnull=True) | Q(discovery_due_at__lte=now))
    return bool(due.update(discovery_due_at=now + timedelta(seconds=runtime.value("DISCOVERY_INTERVAL"))))


def _check(place: Place) -> QuerySet[RegionCheck]:
    return RegionCheck.objects.filter(account=place.account, region=place.region)


def _discover(place: Place, questions: list[dict[str, Any]], *, now: datetime) -> bool:
    by = Asker(actor=record.SYSTEM, reason="Discovered")
    try:
        where = {"region": place.region, "account": place.account}
        found = {item["instance_id"]: item for asked in questions for item in importing.find(**where, question=asked)}
    except importing.UnableToFind as error:
        logger.warning("Discovery failed in %s: %s (%s)", aws_accounts.in_words(*place), error.sentence, error.detail)
        # Sooner than the interval says, unless that is shorter.
        soon = now + min(AGAIN, timedelta(seconds=runtime.value("DISCOVERY_INTERVAL")))
        _check(place).update(discovery_due_at=soon)
        return False
    new = [item for item in found.values() if not item["skipped"]]
    result = importing.import_instances(**where, instances=new, by=by, now=now)
    _check(place).update(discovered_at=now)
    if result.imported:
        logger.info("Discovered in %s: %s", aws_accounts.in_words(*place), ", ".join(map(str, result.imported)))
    return True
