"""Targets are kept by administrators; every change leaves a line in the audit with names and without addresses."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from workers import events
from workers.choices import EventKind
from workers.models import Delivery, NotificationTarget
from workers.notification_choices import DeliveryState, NoticeType, Severity, TargetKind
from workers.services import vault
from workers.services.notifications import addresses, audit, outbox, results, wording
from workers.services.operations.asking import Asker

OVERLAP = timedelta(hours=24)  # in which the secret before a rotation signs, too
MOST_TARGETS = 50
TEST_PAUSE = timedelta(seconds=10)  # between two tests of one target
FILTERS = ("minimum", "types", "regions", "tag", "tell_closed")
_WORDS = {
    "name": "name",
    "address_encrypted": "address",
    "recipients": "recipients",
    "minimum": "minimum severity",
    "types": "events",
    "regions": "regions",
    "tag": "tag",
    "tell_closed": "closed alerts",
}


class UnableToKeep(Exception):
    """Why a target was not kept as asked: the form's field ("" for none) and a sentence."""

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person typed. An empty `address` keeps the stored one; `filters` has the fields of FILTERS."""

    name: str
    recipients: str = ""
    address: str = ""
    channel: str = ""
    filters: Mapping[str, Any]


def create(*, kind: TargetKind, wanted: Wanted, by: Asker, now: datetime) -> NotificationTarget:
    """A new target, switched on; a webhook with a new secret. Raises UnableToKeep."""
    if NotificationTarget.objects.count() >= MOST_TARGETS:
        raise UnableToKeep(f"There are {MOST_TARGETS} targets already; delete one first.")
    fields = _fields(kind, wanted)
    if kind == TargetKind.WEBHOOK:
        fields["secret_encrypted"] = vault.encrypt(_new_secret())
    try:
        with transaction.atomic():
            target = NotificationTarget.objects.create(kind=kind, created_at=now, created_by=by.actor.name[:150], **fields)
            _note(by, now, after=f"“{target.name}” added ({kind.label})")
            events.announce_notifications()
    except IntegrityError:
        raise UnableToKeep("Another target has this name.", field="name") from None
    return target


def change(*, target: NotificationTarget, wanted: Wanted, by: Asker, now: datetime) -> bool:
    """Keep what changed; returns whether anything did. Raises UnableToKeep."""
    fields = _fields(target.way, wanted, stored=target.address_encrypted)
    changes = {name: value for name, value in fields.items() if getattr(target, name) != value}
    if not changes:
        return False
    names = ", ".join(_WORDS[name] for name in _WORDS if name in changes)
    if "address_encrypted" in changes or "recipients" in changes:
        # Another place: what is known of the old one says nothing about it.
        changes |= {"failures": 0, "failing_since": None, "failing_reason": "", "failing_told": False, "paused_until": None}
    try:
        with transaction.atomic():
            NotificationTarget.objects.filter(pk=target.pk).update(**changes)
            before = f"“{target.name}”" if "name" in changes else ""
            _note(by, now, before=before, after=f"“{wanted.name}” changed: {names}" if names else f"“{wanted.name}” changed")
            events.announce_notifications()
    except IntegrityError:
        raise UnableToKeep("Another target has this name.", field="name") from None
    return True


def _fields(kind: TargetKind, wanted: Wanted, *, stored: str = "") -> dict[str, Any]:
    try:
        place = addresses.fields_of(
            kind, recipients=wanted.recipients, address=wanted.address, channel=wanted.channel, stored=stored
        )
    except addresses.UnableToAddress as refusal:
        raise UnableToKeep(refusal.sentence, field=refusal.field) from None
    except vault.UnableToDecrypt:
        raise UnableToKeep("The stored address cannot be read any more; enter it again.", field="address") from None
    return {"name": wanted.name} | place | {name: wanted.filters[name] for name in FILTERS}


def delete(*, target: NotificationTarget, by: Asker, now: datetime) -> None:
    """Forget a target and the log of its deliveries. The audit keeps its name."""
    with transaction.atomic():
        NotificationTarget.objects.filter(pk=target.pk).delete()
        _note(by, now, before=f"“{target.name}” ({target.way.label})", after="deleted")
        events.announce_notifications()


def switch(*, target: NotificationTarget, on: bool, by: Asker, now: datetime) -> bool:
    """Switch a target on or off; returns whether it was otherwise. What waits when it goes off is dropped: it would be old news."""
    fields: dict[str, Any] = {"enabled": on, "off_because": ""}
    if on:
        fields |= {"failures": 0, "failing_since": None, "failing_reason": "", "failing_told": False, "paused_until": None}
    with transaction.atomic():
        if not NotificationTarget.objects.filter(pk=target.pk, enabled=not on).update(**fields):
            return False
        if not on:
            results.drop_waiting(target)
        _note(by, now, after=f"“{target.name}” switched {'on' if on else 'off'}")
        events.announce_notifications()
    return True


# ── The signing secret ─────────────────────────────────────────────────────────────────────────────────────────────
def _new_secret() -> str:
    # Standard Webhooks: "whsec_" and 24 to 64 random bytes in base64.
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def rotate(*, target: NotificationTarget, by: Asker, now: datetime) -> None:
    """A new signing secret, to be shown once; for a day the one before signs as well. Raises UnableToKeep for what has none."""
    if target.way != TargetKind.WEBHOOK:
        raise UnableToKeep(f"{target.way.label} has no signing secret.")
    fields: dict[str, Any] = {
        "secret_encrypted": vault.encrypt(_new_secret()),
        "secret_shown_at": None,
        "previous_secret_encrypted": target.secret_encrypted,
        "previous_secret_until": now + OVERLAP,
    }
    with transaction.atomic():
        # Two at the same moment: the second would push the secret that receivers use out of the overlap.
        same = NotificationTarget.objects.filter(pk=target.pk, secret_encrypted=target.secret_encrypted)
        if not same.update(**fields):
            raise UnableToKeep("Somebody else has just made a new secret.")
        _note(by, now, after=f"“{target.name}”: new signing secret")
        events.announce_notifications()


def reveal(*, target: NotificationTarget, by: Asker, now: datetime) -> str:
    """The signing secret, the first time that it is asked for. Raises UnableToKeep ever after."""
    with transaction.atomic():
        unseen = NotificationTarget.objects.filter(pk=target.pk, kind=TargetKind.WEBHOOK, secret_shown_at__isnull=True)
        if not unseen.update(secret_shown_at=now):
            raise UnableToKeep("The secret was shown before, and is shown only once. Make a new one if nobody has it.")
        _note(by, now, after=f"“{target.name}”: signing secret shown")
        events.announce_notifications()
    try:
        return vault.decrypt(NotificationTarget.objects.values_list("secret_encrypted", flat=True).get(pk=target.pk))
    except vault.UnableToDecrypt:
        raise UnableToKeep("The stored secret cannot be read any more; make a new one.") from None


# ── Deliveries ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test(*, target: NotificationTarget, by: Asker, now: datetime) -> Delivery:
    """A test notice on the same way as any other. Raises UnableToKeep: switched off, or one was sent a moment ago."""
    if not target.enabled:
        raise UnableToKeep(f"{target} is switched off.")
    recent = Q(created_at__gt=now - TEST_PAUSE) | Q(state=DeliveryState.PENDING)
    if target.deliveries.filter(recent, type=NoticeType.TEST).exists():
        raise UnableToKeep("A test is on its way already, or was sent a moment ago.")
    payload = outbox.Notice(
        type=NoticeType.TEST,
        severity=Severity.INFO,
        title=wording.TEST_TITLE,
        sentence=wording.TEST_SENTENCE,
        path=target.get_absolute_url(),
        data={"asked_by": by.actor.name},
    ).payload()
    with transaction.atomic():
        [delivery] = outbox.rows_of(payload, [target], now=now)
        delivery.save()
        # A person waits for it: a pause after failures does not hold it back.
        NotificationTarget.objects.filter(pk=target.pk).update(paused_until=None)
        _note(by, now, after=f"“{target.name}”: test asked for")
        events.announce_notifications()
    return delivery


def redeliver(*, delivery: Delivery, by: Asker, now: datetime) -> None:
    """Send one again, with the same event id. Raises UnableToKeep: it waits already, or its target is off."""
    if not delivery.target.enabled:
        raise UnableToKeep(f"{delivery.target} is switched off.")
    fields: dict[str, Any] = {
        "state": DeliveryState.PENDING,
        "attempts": 0,
        "due_at": now,
        "expires_at": now + outbox.LIFE,
        "sent_at": None,
        "digest": None,
    }
    with transaction.atomic():
        if not Delivery.objects.filter(pk=delivery.pk).exclude(state=DeliveryState.PENDING).update(**fields):
            raise UnableToKeep("It is waiting to be sent already.")
        _note(by, now, after=f"“{delivery.target.name}”: sent again", detail=delivery.title)
        events.announce_notifications()


def _note(by: Asker, now: datetime, *, before: str = "", after: str = "", detail: str = "") -> None:
    audit.note(
        EventKind.NOTIFICATION, actor=by.actor, now=now, before=before, after=after, detail=detail, from_address=by.from_address
    )
