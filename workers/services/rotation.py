"""Every secret of the database under the newest key, so that the older ones can be removed from SECRETS_KEYS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import models, transaction

from workers.choices import EventKind
from workers.models import Event
from workers.services import record, vault

BATCH = 200  # rows a transaction: short enough not to keep other writers of SQLite waiting
SUFFIX = "_encrypted"  # a field that holds the vault's ciphertext is named so


@dataclass
class Rotation:
    """What was found and done. `unreadable` names "model id field" of what no key opens; `changed` had a new value before ours was written."""

    rotated: int = 0
    current: int = 0
    changed: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """Secrets looked at."""
        return self.rotated + self.current + self.changed + len(self.unreadable)


def secret_fields() -> Iterator[tuple[type[models.Model], str]]:
    """Every field of every model that holds the vault's ciphertext, found by its name."""
    for model in apps.get_models():
        for found in model._meta.concrete_fields:
            if found.name.endswith(SUFFIX) and not model._meta.proxy:
                yield model, found.name


def count_secrets() -> int:
    """How many secrets there are."""
    return sum(_stored(model, name).count() for model, name in secret_fields())


def rotate_secrets(*, now: datetime, dry_run: bool = False, progress: Callable[[Rotation], None] | None = None) -> Rotation:
    """Re-encrypt with the newest key what another one opens. `progress` is called after each batch.

    Each value is replaced only if it is still the one that was read, so a password that is changed meanwhile stays changed; it is read
    again at the end. Safe to interrupt and to repeat: what is current already is left alone.
    """
    total = Rotation()
    for model, name in secret_fields():
        for batch in _batches(model, name):
            _rotate(model, name, batch, total, dry_run=dry_run)
            if progress:
                progress(total)
    if total.rotated and not dry_run:
        _note(total, now=now)
    return total


def _stored(model: type[models.Model], name: str) -> models.QuerySet[Any]:
    return model._base_manager.exclude(**{name: ""}).exclude(**{f"{name}__isnull": True})


def _batches(model: type[models.Model], name: str) -> Iterator[list[tuple[Any, str]]]:
    """(id, ciphertext) in the order of the ids; each batch is read just before its turn."""
    last: Any = None
    while True:
        rows = _stored(model, name).order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        batch = list(rows.values_list("pk", name)[:BATCH])
        if not batch:
            return
        yield batch
        last = batch[-1][0]


def _rotate(model: type[models.Model], name: str, batch: list[tuple[Any, str]], total: Rotation, *, dry_run: bool) -> None:
    with transaction.atomic():
        for pk, text in batch:
            try:
                if vault.is_current(text):
                    total.current += 1
                    continue
                fresh = vault.reencrypted(text)
            except vault.UnableToDecrypt:
                total.unreadable.append(f"{model._meta.label} {pk} {name}")
                continue
            if dry_run or _swap(model, name, pk, text, fresh):
                total.rotated += 1
            else:
                total.changed += 1


def _swap(model: type[models.Model], name: str, pk: Any, old: str, new: str) -> bool:
    """Write `new` if the row still holds `old`. A value that somebody wrote meanwhile gets one more try of its own."""
    rows = model._base_manager.filter(pk=pk)
    if rows.filter(**{name: old}).update(**{name: new}):
        return True
    written = rows.exclude(**{name: ""}).values_list(name, flat=True).first()
    if written is None or vault.is_current(written):
        return False
    return bool(rows.filter(**{name: written}).update(**{name: vault.reencrypted(written)}))


def _note(total: Rotation, *, now: datetime) -> None:
    left = f", {len(total.unreadable)} unreadable" if total.unreadable else ""
    Event(
        at=now,
        kind=EventKind.ROTATED,
        actor_kind=record.SYSTEM.kind,
        actor_name="rotate_keys",
        after=f"{total.rotated} re-encrypted, {total.current} current already{left}",
    ).save()
