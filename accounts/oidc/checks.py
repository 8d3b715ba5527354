"""System checks of sign-in with a provider: what is missing or contradicts itself is named with its variable before anybody tries."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from accounts.oidc import discovery, rolemap
from accounts.roles import Role

_ALGORITHMS = ("RS256", "ES256")
_DEFAULTS = (rolemap.NONE, Role.USER.value)


@register(Tags.security)
def check_provider(**kwargs: Any) -> list[CheckMessage]:
    """Addresses, the client and the algorithm."""
    if not discovery.is_on():
        return _check_off()
    missing = [
        Error(f"OIDC_ISSUER is set, but {name} is not: nobody could sign in.", id="oidc.E003")
        for name, value in (
            ("OIDC_CLIENT_ID", settings.OIDC_RP_CLIENT_ID),
            ("OIDC_CLIENT_SECRET", settings.OIDC_RP_CLIENT_SECRET),
        )
        if not value
    ]
    return [*_check_addresses(), *missing, *_check_protocol()]


def _check_addresses() -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if sentence := _not_an_issuer(settings.OIDC_ISSUER):
        problems.append(Error(f"OIDC_ISSUER is {settings.OIDC_ISSUER!r}: {sentence}", id="oidc.E001"))
    if settings.OIDC_INTERNAL_URL and not _is_origin(settings.OIDC_INTERNAL_URL):
        message = f"OIDC_INTERNAL_URL is {settings.OIDC_INTERNAL_URL!r}: use scheme, host and port alone, such as http://keycloak:8080."
        problems.append(Error(message, id="oidc.E002"))
    return problems


def _check_protocol() -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if settings.OIDC_RP_SIGN_ALGO not in _ALGORITHMS:
        message = f"OIDC_SIGN_ALGORITHM is {settings.OIDC_RP_SIGN_ALGO!r}: use {' or '.join(_ALGORITHMS)}."
        problems.append(Error(message, id="oidc.E004"))
    if "openid" not in settings.OIDC_RP_SCOPES.split():
        problems.append(Error("OIDC_SCOPES lacks openid, without which there is no ID token.", id="oidc.E005"))
    return problems


@register(Tags.security)
def check_roles(**kwargs: Any) -> list[CheckMessage]:
    """Who becomes what."""
    problems: list[CheckMessage] = [Error(sentence, id="oidc.E010") for sentence in rolemap.problems(settings.OIDC_ROLE_MAP)]
    if settings.OIDC_DEFAULT_ROLE not in _DEFAULTS:
        message = f"OIDC_DEFAULT_ROLE is {settings.OIDC_DEFAULT_ROLE!r}: use {' or '.join(_DEFAULTS)}."
        problems.append(Error(message, id="oidc.E011"))
    for name, value in (("OIDC_STAFF_ROLE", settings.OIDC_STAFF_ROLE), ("OIDC_SUPERUSER_ROLE", settings.OIDC_SUPERUSER_ROLE)):
        if value not in (rolemap.NONE, *Role.values):
            problems.append(Error(f"{name} is {value!r}: use none, {', '.join(Role.values)}.", id="oidc.E012"))
    if not discovery.is_on():
        return problems
    if not settings.OIDC_ROLE_MAP and settings.OIDC_DEFAULT_ROLE == rolemap.NONE:
        hint = 'Such as OIDC_ROLE_MAP={"group:/cml/admins": "admin"}; docs/sign-in.md explains it.'
        message = "OIDC_ROLE_MAP is empty and OIDC_DEFAULT_ROLE is none: whoever signs in gets no role until somebody gives one by hand."
        problems.append(Warning(message, hint=hint, id="oidc.W010"))
    elif settings.OIDC_ROLE_MAP and Role.ADMIN not in settings.OIDC_ROLE_MAP.values():
        message = "OIDC_ROLE_MAP makes nobody an administrator: only the break-glass account will be one."
        problems.append(Warning(message, id="oidc.W011"))
    return problems


@register(Tags.security, deploy=True)
def check_provider_in_production(**kwargs: Any) -> list[CheckMessage]:
    """What must not be deployed."""
    problems: list[CheckMessage] = []
    if discovery.is_on() and urlsplit(settings.OIDC_ISSUER).scheme != "https":
        message = "OIDC_ISSUER is not on https: whoever listens could sign in as anybody."
        problems.append(Error(message, id="oidc.E020"))
    if discovery.is_on() and settings.OIDC_SUPERUSER_ROLE not in (rolemap.NONE, Role.ADMIN):
        message = f"OIDC_SUPERUSER_ROLE is {settings.OIDC_SUPERUSER_ROLE}: superusers may do more than administrators."
        problems.append(Error(message, id="oidc.E021"))
    return problems


def _check_off() -> list[CheckMessage]:
    named = {
        "OIDC_CLIENT_ID": settings.OIDC_RP_CLIENT_ID,
        "OIDC_CLIENT_SECRET": settings.OIDC_RP_CLIENT_SECRET,
        "OIDC_INTERNAL_URL": settings.OIDC_INTERNAL_URL,
        "OIDC_ROLE_MAP": settings.OIDC_ROLE_MAP,
    }
    present = [name for name, value in named.items() if value]
    if not present:
        return []
    return [Warning(f"{', '.join(present)} is set, but OIDC_ISSUER is not: sign-in with a provider stays off.", id="oidc.W001")]


def _not_an_issuer(address: str) -> str:
    """What is wrong with it, in a sentence, or ""."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        return "use an address such as https://sso.example.com/realms/cml."
    if "/.well-known/" in parts.path or parts.path.endswith(("/auth", "/protocol/openid-connect")):
        return "this is a page of the provider; its issuer is shorter, such as https://sso.example.com/realms/cml."
    return ""


def _is_origin(address: str) -> bool:
    parts = urlsplit(address)
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not (parts.path or parts.query or parts.fragment or parts.username)
    )
