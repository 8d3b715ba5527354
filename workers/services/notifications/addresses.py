"""Whether what a person typed is an address of the kind, and what of it is kept how."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from workers.clients import notify
from workers.models import NotificationTarget
from workers.notification_choices import TargetKind
from workers.services import vault

MOST_RECIPIENTS = 20


class UnableToAddress(Exception):
    """The address cannot be used: the field (recipients, address or channel) and a sentence that repeats nothing secret."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


def reach() -> notify.Reach:
    """Where webhooks may go, by the settings."""
    return notify.Reach(private=settings.NOTIFY_PRIVATE_NETWORKS, loopback=settings.NOTIFY_LOOPBACK)


def fields_of(kind: TargetKind, *, recipients: str, address: str, channel: str, stored: str = "") -> dict[str, Any]:
    """The row's fields for what was typed; an empty `address` keeps the `stored` ciphertext. Raises UnableToAddress."""
    if kind == TargetKind.EMAIL:
        return {"recipients": mailboxes(recipients), "address_encrypted": "", "address_hint": ""}
    clear = address.strip() or (vault.decrypt(stored) if stored else "")
    if not clear:
        raise UnableToAddress("address", "Enter the address.")
    if kind == TargetKind.WEBHOOK:
        try:
            parts = notify.check_url(clear, reach())
        except notify.NotAllowed as refusal:
            raise UnableToAddress("address", str(refusal)) from None
        return _kept(clear, str(parts.hostname), [], stored=stored if not address.strip() else "")
    return _chat_fields(kind, clear, channel.strip(), stored=stored if not address.strip() else "")


def _chat_fields(kind: TargetKind, clear: str, channel: str, *, stored: str) -> dict[str, Any]:
    try:
        found = notify.address_of(product_of(kind), clear, channel=channel)
    except notify.NotAChatAddress as refusal:
        field = "channel" if notify.BOT_TOKEN.fullmatch(clear) else "address"
        raise UnableToAddress(field, str(refusal)) from None
    return _kept(found.text, found.host, [found.channel] if found.channel else [], stored=stored)


def _kept(clear: str, hint: str, recipients: list[str], *, stored: str) -> dict[str, Any]:
    # What did not change is not encrypted anew: each ciphertext differs, and would look like a change.
    return {"address_encrypted": stored or vault.encrypt(clear), "address_hint": hint[:255], "recipients": recipients}


def mailboxes(text: str) -> list[str]:
    """The e-mail addresses in `text`, separated by spaces, commas, semicolons or lines. Raises UnableToAddress."""
    found = list(dict.fromkeys(word for word in re.split(r"[\s,;]+", text) if word))
    if not found:
        raise UnableToAddress("recipients", "Enter at least one address.")
    if len(found) > MOST_RECIPIENTS:
        raise UnableToAddress("recipients", f"That are more than {MOST_RECIPIENTS} addresses: use a mailing list.")
    for one in found:
        try:
            validate_email(one)
        except ValidationError:
            raise UnableToAddress("recipients", f"“{one[:80]}” is no e-mail address.") from None
        if len(one) > 254 or not one.isascii():
            raise UnableToAddress("recipients", f"“{one[:80]}” is not an address that every mail server takes.")
    return found


def product_of(kind: TargetKind) -> Literal["slack", "teams", "webex"]:
    """The chat's name among the clients."""
    return cast(Literal["slack", "teams", "webex"], kind.value)


def chat_of(target: NotificationTarget) -> notify.ChatAddress:
    """A chat target's address in clear. Raises vault.UnableToDecrypt, or notify.NotAChatAddress when a newer version knows better."""
    channel = target.recipients[0] if target.recipients else ""
    return notify.address_of(product_of(target.way), vault.decrypt(target.address_encrypted), channel=channel)
