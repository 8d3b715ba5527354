"""One YAML that CML gave becomes a version: byte for byte, once however often it was the same, and only if it is a lab."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from labs import events, yaml_checks
from labs.choices import LabVersionReason
from labs.models import Lab, LabVersion, LabYaml
from workers.models import Operation
from workers.services.record import Actor


class UnableToKeep(Exception):
    """Why a text did not become a version, as a sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Why a version is kept and by whom; what it is of, as the worker was then. `operation` keeps a lab once."""

    why: LabVersionReason
    actor: Actor
    operation: Operation | None = None
    note: str = ""
    with_configurations: bool = False
    cml_version: str = ""


@dataclass(frozen=True)
class Kept:
    """The version, and whether it was made now: False when an unchanged lab was only confirmed, or was kept by this operation before."""

    version: LabVersion
    is_new: bool


def keep(*, lab: Lab, text: str, of: Circumstances, now: datetime) -> Kept:
    """Store `text`, which CML gave for `lab`. Raises UnableToKeep for what is no lab, or larger than 5 MB.

    A nightly one that is as the newest version only says of that when it was last seen.
    """
    _check(text)
    content = LabYaml.of(text)
    with transaction.atomic():
        current = Lab.objects.select_for_update().filter(pk=lab.pk).first()
        if current is None:
            raise UnableToKeep("The portal knows this lab no more.")
        if of.operation is not None and (before := LabVersion.objects.filter(operation=of.operation, lab=lab).first()):
            return Kept(before, is_new=False)
        newest = LabVersion.objects.filter(lab=lab).order_by("-at", "-id").first()
        if newest is not None and of.why == LabVersionReason.NIGHTLY and newest.content_id == content.pk:
            LabVersion.objects.filter(pk=newest.pk, confirmed_at__lt=now).update(confirmed_at=now)
            newest.refresh_from_db()
            return Kept(newest, is_new=False)
        _store(content)
        version = _version(current, content, of, now)
        events.announce_labs([lab.pk])
    return Kept(version, is_new=True)


def _check(text: str) -> None:
    try:
        text.encode()
        yaml_checks.read(text)
    except UnicodeEncodeError:
        raise UnableToKeep("What CML gave is no text in UTF-8.") from None
    except yaml_checks.UnusableYaml as problem:
        raise UnableToKeep(f"What CML gave is no lab that can be kept. {problem.sentence}") from None


def _store(content: LabYaml) -> None:
    for _ in range(2):
        LabYaml.objects.bulk_create([content], ignore_conflicts=True)
        # Held until the version stands: retention deletes texts that no version has, and may be at this one.
        if LabYaml.objects.select_for_update().filter(pk=content.pk).exists():
            return
    raise UnableToKeep("The text was deleted in the same moment; try again.")


def _version(lab: Lab, content: LabYaml, of: Circumstances, now: datetime) -> LabVersion:
    return LabVersion.objects.create(
        lab=lab,
        content=content,
        at=now,
        confirmed_at=now,
        why=of.why,
        title=str(lab)[:255],
        actor_kind=of.actor.kind,
        actor=of.actor.user,
        actor_name=of.actor.name[:150],
        operation=of.operation,
        note=of.note[:500],
        with_configurations=of.with_configurations,
        cml_version=of.cml_version[:48],
    )
