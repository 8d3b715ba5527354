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
# What libraries keep inside a JSON object: (model, field, keys whose value is the vault's ciphertext). allauth's secrets of second factors.
INSIDE = (("mfa.Authenticator", "data", ("secret", "seed")),)


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


class Place:
    """Where one secret of each row is: a field of its own."""

    def __init__(self, model: type[models.Model], name: str) -> None:
        self.model, self.name = model, name

    def __str__(self) -> str:
        return self.name

    def stored(self) -> models.QuerySet[Any]:
        """The rows that hold one."""
        return self.model._base_manager.exclude(**{self.name: ""}).exclude(**{f"{self.name}__isnull": True})

    def read(self, rows: models.QuerySet[Any]) -> list[tuple[Any, str]]:
        """(id, ciphertext)."""
        return list(rows.values_list("pk", self.name))

    def swap(self, pk: Any, old: str, new: str) -> bool:
        """Write `new` if the row still holds `old`. A value that somebody wrote meanwhile gets one more try of its own."""
        rows = self.model._base_manager.filter(pk=pk)
        if rows.filter(**{self.name: old}).update(**{self.name: new}):
            return True
        written = rows.exclude(**{self.name: ""}).values_list(self.name, flat=True).first()
        if written is None or vault.is_current(written):
            return False
        return bool(rows.filter(**{self.name: written}).update(**{self.name: vault.reencrypted(written)}))


class InsidePlace(Place):
    """One value of a JSON object. The row is locked while it is replaced: other values of the object change, too, such as which codes are used."""

    def __init__(self, model: type[models.Model], name: str, key: str) -> None:
        super().__init__(model, name)
        self.key = key

    def __str__(self) -> str:
        return f"{self.name}.{self.key}"

    def stored(self) -> models.QuerySet[Any]:
        return self.model._base_manager.filter(**{f"{self.name}__has_key": self.key})

    def read(self, rows: models.QuerySet[Any]) -> list[tuple[Any, str]]:
        return [(pk, found[self.key]) for pk, found in rows.values_list("pk", self.name)]

    def swap(self, pk: Any, old: str, new: str) -> bool:
        row = self.model._base_manager.select_for_update().filter(pk=pk).first()
        if row is None or self.key not in getattr(row, self.name):
            return False
        found = getattr(row, self.name)
        written = found[self.key]
        if written != old and vault.is_current(written):
            return False
        found[self.key] = new if written == old else vault.reencrypted(written)
        row.save(update_fields=[self.name])
        return True


def places() -> Iterator[Place]:
    """Wherever the vault's ciphertext is: every field of every model whose name says so, and what INSIDE names."""
    for model in apps.get_models():
        for found in model._meta.concrete_fields:
            if found.name.endswith(SUFFIX) and not model._meta.proxy:
                yield Place(model, found.name)
    for label, name, keys in INSIDE:
        yield from (InsidePlace(apps.get_model(label), name, key) for key in keys)


def count_secrets() -> int:
    """How many secrets there are."""
    return sum(place.stored().count() for place in places())


def rotate_secrets(*, now: datetime, dry_run: bool = False, progress: Callable[[Rotation], None] | None = None) -> Rotation:
    """Re-encrypt with the newest key what another one opens. `progress` is called after each batch.

    Each value is replaced only if it is still the one that was read, so a password that is changed meanwhile stays changed; it is read
    again at the end. Safe to interrupt and to repeat: what is current already is left alone.
    """
    total = Rotation()
    for place in places():
        for batch in _batches(place):
            _rotate(place, batch, total, dry_run=dry_run)
            if progress:
                progress(total)
    if total.rotated and not dry_run:
        _note(total, now=now)
    return total


def _batches(place: Place) -> Iterator[list[tuple[Any, str]]]:
    """(id, ciphertext) in the order of the ids; each batch is read just before its turn."""
    last: Any = None
    while True:
        rows = place.stored().order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        batch = place.read(rows[:BATCH])
        if not batch:
            return
        yield batch
        last = batch[-1][0]


def _rotate(place: Place, batch: list[tuple[Any, str]], total: Rotation, *, dry_run: bool) -> None:
    with transaction.atomic():
        for pk, text in batch:
            try:
                if vault.is_current(text):
                    total.current += 1
                    continue
                fresh = vault.reencrypted(text)
            except vault.UnableToDecrypt:
                total.unreadable.append(f"{place.model._meta.label} {pk} {place}")
                continue
            if dry_run or place.swap(pk, text, fresh):
                total.rotated += 1
            else:
                total.changed += 1


def _note(total: Rotation, *, now: datetime) -> None:
    left = f", {len(total.unreadable)} unreadable" if total.unreadable else ""
    Event(
        at=now,
        kind=EventKind.ROTATED,
        actor_kind=record.SYSTEM.kind,
        actor_name="rotate_keys",
        after=f"{total.rotated} re-encrypted, {total.current} current already{left}",
    ).save()
