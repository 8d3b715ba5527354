"""Who a program is: bearer tokens of ours and of Keycloak, in the Authorization header only."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import logging
import secrets
import string
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from accounts.choices import AccountEvent
from accounts.models import ApiToken, Identity, User
from accounts.oidc import discovery, tokens
from accounts.oidc.errors import ProviderAway, TokenRefused
from accounts.oidc.groups import managed
from accounts.oidc.rolemap import roles_of
from accounts.roles import Role
from accounts.signals import account_event

logger = logging.getLogger(__name__)
# So that scanners for leaked secrets know one of ours, and that the portal refuses a mistyped one without asking the database.
MARK = "cmlm_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# Letters of a token after the mark: those that find it, those that prove it, and the checksum of all before.
_FINDING, _PROVING, _CHECK = 8, 32, 6
PREFIX_LENGTH = len(MARK) + _FINDING
_LENGTH = PREFIX_LENGTH + _PROVING + _CHECK
# How exact "last used" is: a busy program writes no more often.
_EXACT_TO = timedelta(minutes=1)
# Whoever has a revoked token may try it all day: the audit hears of it once in so long.
_TOLD_EVERY = timedelta(hours=1)

UNKNOWN = "This token is not known here. Make a new one under “API tokens” of your account."


class BearerRefused(Exception):
    """The header names nobody who may come in; the message is for whoever runs the program."""


def new_token() -> str:
    """The text of a new token: `cmlm_`, 40 random letters and digits, and 6 of a checksum."""
    body = MARK + "".join(secrets.choice(_ALPHABET) for _ in range(_FINDING + _PROVING))
    return body + checksum(body)


def checksum(body: str) -> str:
    """CRC-32 of what stands before it, in six digits of base 62."""
    number = binascii.crc32(body.encode())
    digits = ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def identify(authorization: str, *, now: datetime, address: str | None = None) -> User:
    """The person whose bearer token an Authorization header holds, with `credential` and `scope` set. Notes where it was used.

    Raises BearerRefused.
    """
    scheme, _, raw = authorization.strip().partition(" ")
    raw = raw.strip()
    if scheme.lower() != "bearer":
        raise BearerRefused("Send a token as “Authorization: Bearer …”.")
    if not raw or len(raw) > 16_384 or not raw.isascii() or not raw.isprintable() or " " in raw:
        raise BearerRefused("The Authorization header holds no token.")
    if raw.startswith(MARK):
        return _of_ours(raw, now=now, address=address)
    return _of_keycloak(raw, now=now)


def _of_ours(raw: str, *, now: datetime, address: str | None) -> User:
    if len(raw) != _LENGTH or not hmac.compare_digest(checksum(raw[:-_CHECK]), raw[-_CHECK:]):
        raise BearerRefused("This is not a whole token: letters are missing or wrong. Copy it again.")
    token = ApiToken.objects.select_related("user").filter(prefix=raw[:PREFIX_LENGTH]).first()
    # Compared also where none was found, so that the time says nothing.
    if not hmac.compare_digest(token.token_hash if token else "0" * 64, hash_of(raw)) or token is None:
        raise BearerRefused(UNKNOWN)
    user = token.user
    if token.revoked_at is not None:
        _tell_of_revoked(token, now=now, address=address)
        raise BearerRefused("This token was revoked. Make a new one under “API tokens” of your account.")
    if token.expires_at <= now:
        raise BearerRefused("This token has expired. Make a new one under “API tokens” of your account.")
    if not user.is_active:
        raise BearerRefused("The account of this token is switched off.")
    scope = lesser(Role(token.scope), user.role)
    user.credential, user.scope = f"token:{token.pk}", scope
    user.__dict__.pop("role", None)
    _used(token, now=now, address=address)
    return user


def _of_keycloak(raw: str, *, now: datetime) -> User:
    """Somebody who has signed in here before: no account is made for a token. Checked here, without asking the provider."""
    if not discovery.is_on():
        raise BearerRefused(UNKNOWN)
    try:
        claims = tokens.verify_access_token(raw)
    except TokenRefused as refused:
        raise BearerRefused(str(refused)) from None
    except ProviderAway as away:
        logger.warning("A token of %s could not be checked: %s", settings.OIDC_NAME, away)
        raise BearerRefused(
            f"This token cannot be checked while {settings.OIDC_NAME} is away. Try again in a minute."
        ) from None
    identity = Identity.objects.select_related("user").filter(issuer=settings.OIDC_ISSUER, subject=claims["sub"]).first()
    if identity is None:
        raise BearerRefused("The person of this token has never signed in here. Sign in to the portal once with a browser.")
    user = identity.user
    if not user.is_active:
        raise BearerRefused("The account of this token is switched off.")
    # What the token says now, and what the portal has learnt since it was made: the lesser counts.
    scope = lesser(_role_in(claims), user.role) if managed() else user.role
    user.credential, user.scope = f"keycloak:{identity.subject}", scope
    user.__dict__.pop("role", None)
    return user


def _role_in(claims: tokens.Claims) -> Role | None:
    """The highest role that the map gives for a token's groups and roles."""
    return max(roles_of([claims]), key=list(Role).index, default=None)


def lesser(scope: Role | None, role: Role | None) -> Role | None:
    """What a token of `scope` may in the hands of a person of `role`."""
    if scope is None or role is None:
        return None
    return min(scope, role, key=list(Role).index)


def _used(token: ApiToken, *, now: datetime, address: str | None) -> None:
    """Written at most once a minute."""
    if token.last_used_at is None or now - token.last_used_at >= _EXACT_TO:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address)


def _tell_of_revoked(token: ApiToken, *, now: datetime, address: str | None) -> None:
    due = Q(refused_at__isnull=True) | Q(refused_at__lte=now - _TOLD_EVERY)
    if ApiToken.objects.filter(due, pk=token.pk).update(refused_at=now):
        kind = AccountEvent.TOKEN_REFUSED
        account_event.send(User, kind=kind, user=token.user, by=None, detail=str(token), address=address)
