"""Whose account an identity of the provider is, and what the provider says of its person."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from accounts.choices import AccountEvent
from accounts.models import Identity, User
from accounts.oidc.errors import SignInRefused
from accounts.oidc.problems import Problem
from accounts.signals import account_event

logger = logging.getLogger(__name__)
_MAX_USERNAME = 150
_MAX_NAME = 150
_MAX_EMAIL = 254
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Person:
    """What the provider says of somebody, looked over."""

    subject: str
    username: str
    email: str  # "": none, or none that is verified
    first_name: str
    last_name: str


def person_of(claims: Mapping[str, Any]) -> Person:
    """Raises SignInRefused when something that is needed is missing, or the e-mail address is not verified."""
    subject = str(claims["sub"])
    username = _cleaned(claims.get("preferred_username"), _MAX_USERNAME)
    if not username:
        raise SignInRefused(Problem.CLAIMS, f"preferred_username is missing for the subject {subject}")
    first, last = _cleaned(claims.get("given_name"), _MAX_NAME), _cleaned(claims.get("family_name"), _MAX_NAME)
    if not first and not last:
        first = _cleaned(claims.get("name"), _MAX_NAME)
    return Person(subject, username, _email(claims, username), first, last)


def account_of(person: Person, *, now: datetime) -> User:
    """The account of `person`, made if there is none, with name and e-mail as the provider says.

    Raises SignInRefused when the account is switched off, or when a new one would have the e-mail address of another.
    """
    identity = _identity(person)
    if identity is None:
        try:
            return _create(person, now=now)
        except IntegrityError:
            # Two sign-ins of a new person at once: the other one has made it.
            identity = _identity(person)
            if identity is None:
                raise
    user = identity.user
    if not user.is_active:
        raise SignInRefused(Problem.INACTIVE, f"the account {user.get_username()} is switched off")
    follow(user, person)
    Identity.objects.filter(pk=identity.pk).update(signed_in_at=now)
    return user


def follow(user: User, person: Person) -> None:
    """Name and e-mail become the provider's; its silence changes nothing."""
    changed = [
        field
        for field in ("first_name", "last_name", "email")
        if (value := getattr(person, field)) and value != getattr(user, field)
    ]
    # A first name alone is a whole name: the last name of before does not belong to it.
    if "first_name" in changed and not person.last_name and user.last_name:
        changed.append("last_name")
    if not changed:
        return
    for field in changed:
        setattr(user, field, getattr(person, field))
    user.save(update_fields=changed)


def _identity(person: Person) -> Identity | None:
    return Identity.objects.select_related("user").filter(issuer=settings.OIDC_ISSUER, subject=person.subject).first()


def _create(person: Person, *, now: datetime) -> User:
    if person.email and User.objects.filter(email__iexact=person.email).exists():
        raise SignInRefused(
            Problem.KNOWN_EMAIL, f"the subject {person.subject} is new, and its e-mail address belongs to another account"
        )
    with transaction.atomic():
        user = User(
            username=_free(person.username), email=person.email, first_name=person.first_name, last_name=person.last_name
        )
        user.set_unusable_password()
        user.save()
        Identity.objects.create(issuer=settings.OIDC_ISSUER, subject=person.subject, user=user, linked_at=now, signed_in_at=now)
        account_event.send(
            User, kind=AccountEvent.CREATED, user=user, by=None, detail=f"{settings.OIDC_NAME} sign-in", address=None
        )
    logger.info("%s has signed in for the first time, as %s.", person.username, user.get_username())
    return user


def _free(wanted: str) -> str:
    """`wanted`, or that with a number when somebody has it: a name never leads to another's account."""
    wanted = re.sub(r"[^\w.@+-]", "-", wanted)
    for number in range(1, _ATTEMPTS):
        suffix = "" if number == 1 else f"-{number}"
        name = User.normalize_username(wanted[: _MAX_USERNAME - len(suffix)] + suffix)
        if not User.objects.filter(username__iexact=name).exists():
            return name
    raise SignInRefused(Problem.CLAIMS, f"no username like {wanted} is free")


def _email(claims: Mapping[str, Any], username: str) -> str:
    email = claims.get("email")
    is_verified = claims.get("email_verified") is True
    if not isinstance(email, str) or not email:
        if settings.OIDC_REQUIRE_VERIFIED_EMAIL:
            raise SignInRefused(Problem.CLAIMS, f"email is missing for {username}")
        return ""
    if not is_verified:
        if settings.OIDC_REQUIRE_VERIFIED_EMAIL:
            raise SignInRefused(Problem.UNVERIFIED, f"the e-mail address of {username} is not verified")
        return ""
    try:
        validate_email(email)
    except ValidationError:
        raise SignInRefused(Problem.CLAIMS, f"the e-mail address of {username} is none") from None
    if len(email) > _MAX_EMAIL:
        raise SignInRefused(Problem.CLAIMS, f"the e-mail address of {username} is too long")
    return email


def _cleaned(value: object, length: int) -> str:
    """Text without what cannot be printed, on one line."""
    if not isinstance(value, str):
        return ""
    printable = "".join(letter if letter.isprintable() else " " for letter in value)
    return re.sub(r"\s+", " ", printable).strip()[:length]
