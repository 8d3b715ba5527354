"""Which versions go: by age and by number, never a pinned one, and never the last of a lab that is there."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count, Q

from cmlmanager import runtime
from labs.models import Lab, LabVersion, LabYaml
from labs.querysets import IS_GONE

BATCH = 200  # labs, and texts, at once


def prune(*, now: datetime) -> int:
    """Delete what is past its time or its number, and texts that no version has; returns how many versions went."""
    old = now - timedelta(days=runtime.value("LAB_VERSION_DAYS"))
    crowded = Count("versions__content", distinct=True)
    labs = Lab.objects.annotate(texts=crowded).filter(
        Q(texts__gt=runtime.value("LAB_VERSIONS_KEEP"))
        | Q(pk__in=LabVersion.objects.filter(confirmed_at__lt=old).values("lab"))
    )
    ids = list(labs.values_list("pk", flat=True))
    gone = set(Lab.objects.filter(IS_GONE, pk__in=ids).values_list("pk", flat=True)) if ids else set()
    deleted = 0
    for start in range(0, len(ids), BATCH):
        deleted += _prune_labs(ids[start : start + BATCH], gone, now)
    _forget_texts()
    return deleted


def _prune_labs(lab_ids: list[uuid.UUID], gone: set[uuid.UUID], now: datetime) -> int:
    doomed: list[int] = []
    rows = LabVersion.objects.filter(lab__in=lab_ids).order_by("lab", "-at", "-id")
    of: dict[uuid.UUID, list[LabVersion]] = {}
    for version in rows.only("lab", "content_id", "at", "confirmed_at", "pinned"):
        of.setdefault(version.lab_id, []).append(version)
    for lab_id, versions in of.items():
        doomed += (version.pk for version in _doomed(versions, is_gone=lab_id in gone, now=now))
    # Not when somebody pinned it, or CML confirmed it, meanwhile.
    old = LabVersion.objects.filter(pk__in=doomed, pinned=False)
    return old.delete()[0] if doomed else 0


def _doomed(versions: list[LabVersion], *, is_gone: bool, now: datetime) -> Iterable[LabVersion]:
    """Of one lab's versions, newest first, those that go: beyond LAB_VERSIONS_KEEP different texts, or too old."""
    texts: set[str] = set()
    for place, version in enumerate(versions):
        last = runtime.value("LAB_GONE_DAYS") if is_gone else None  # days; None: for ever
        days = last if place == 0 else runtime.value("LAB_VERSION_DAYS")
        crowded = version.content_id not in texts and len(texts) >= runtime.value("LAB_VERSIONS_KEEP")
        if version.pinned:
            texts.add(version.content_id)
        elif crowded or (days is not None and version.confirmed_at < now - timedelta(days=days)):
            yield version
        else:
            texts.add(version.content_id)


def _forget_texts() -> None:
    while orphans := list(LabYaml.objects.filter(versions__isnull=True).values_list("pk", flat=True)[:BATCH]):
        try:
            with transaction.atomic():
                LabYaml.objects.filter(pk__in=orphans, versions__isnull=True).delete()
        except IntegrityError:  # one of them has just become a version's again; the next hour takes the others
            return
