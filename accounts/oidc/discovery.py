"""Where the OpenID provider's doors are: its own description (OpenID Connect Discovery 1.0), read once an hour and kept when it is away."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

from accounts.oidc import calls
from accounts.oidc.errors import ProviderAway, ProviderRefused

_LIFETIME = 3600.0
# Seconds for which a failure is remembered, so that a provider that hangs does not hold every thread in turn.
_PAUSE = 5.0
_lock = threading.Lock()
_known: dict[tuple[str, str], tuple[float, Provider]] = {}
_failed: dict[tuple[str, str], tuple[float, ProviderAway]] = {}


@dataclass(frozen=True, slots=True)
class Provider:
    """The addresses of one provider. Those that the browser is sent to are public; those that we call are internal where there is a way."""

    issuer: str
    authorization_endpoint: str
    end_session_endpoint: str  # "" when the provider has none
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str


def is_on() -> bool:
    """Whether people may sign in with an OpenID provider here."""
    return bool(settings.OIDC_ISSUER)


def provider(*, fresh: bool = False) -> Provider:
    """The provider of OIDC_ISSUER. Raises ProviderAway when it was never reached and is not now, or when what it says is wrong.

    fresh: ask it now; then an answer from memory does not count.
    """
    key = (settings.OIDC_ISSUER, settings.OIDC_INTERNAL_URL)
    if not fresh and (found := _remembered(key)):
        return found
    try:
        found = read(calls.get(document_url()))
    except (ProviderAway, ProviderRefused) as error:
        away = error if isinstance(error, ProviderAway) else ProviderAway(str(error))
        with _lock:
            _failed[key] = (time.monotonic(), away)
            known = _known.get(key)
        if known and not fresh:
            return known[1]
        raise away from error
    with _lock:
        _known[key] = (time.monotonic(), found)
        _failed.pop(key, None)
    return found


def _remembered(key: tuple[str, str]) -> Provider | None:
    """What is known and needs no look now. Raises ProviderAway when a look has just failed and nothing is known."""
    with _lock:
        known, failed = _known.get(key), _failed.get(key)
    if known and time.monotonic() - known[0] < _LIFETIME:
        return known[1]
    if failed and time.monotonic() - failed[0] < _PAUSE:
        if known:
            return known[1]
        raise failed[1]
    return None


def document_url() -> str:
    """Where the provider describes itself, as seen from here."""
    return _from_here(settings.OIDC_ISSUER.rstrip("/") + "/.well-known/openid-configuration")


def read(document: dict[str, Any]) -> Provider:
    """The provider that `document` describes. Raises ProviderAway with a sentence when it is another one or lacks an address."""
    if document.get("issuer") != settings.OIDC_ISSUER:
        raise ProviderAway(
            f"The provider calls itself {str(document.get('issuer'))[:255]!r}, but OIDC_ISSUER is {settings.OIDC_ISSUER!r}: "
            "its tokens would be refused. They must be equal to the letter."
        )
    wanted = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
    found = {name: _address(document, name) for name in wanted}
    if missing := [name for name, address in found.items() if not address]:
        raise ProviderAway(f"The provider's description has no good {', '.join(missing)}.")
    return Provider(
        issuer=settings.OIDC_ISSUER,
        authorization_endpoint=_for_browsers(found["authorization_endpoint"]),
        end_session_endpoint=_for_browsers(_address(document, "end_session_endpoint")),
        token_endpoint=_from_here(found["token_endpoint"]),
        userinfo_endpoint=_from_here(found["userinfo_endpoint"]),
        jwks_uri=_from_here(found["jwks_uri"]),
    )


def forget() -> None:
    """Know nothing of any provider any more."""
    with _lock:
        _known.clear()
        _failed.clear()


def _address(document: dict[str, Any], name: str) -> str:
    """An http address of the document, or "". With an issuer on https all must be, save those that lead to the internal address."""
    address = document.get(name)
    if not isinstance(address, str):
        return ""
    parts = urlsplit(address)
    schemes = (
        ("https",) if urlsplit(settings.OIDC_ISSUER).scheme == "https" and not settings.OIDC_INTERNAL_URL else ("http", "https")
    )
    return address if parts.scheme in schemes and parts.netloc else ""


def _from_here(address: str) -> str:
    """The same address at the internal origin, when there is one."""
    return _at(settings.OIDC_INTERNAL_URL, address) if settings.OIDC_INTERNAL_URL else address


def _for_browsers(address: str) -> str:
    """The address at the issuer's origin, in case a provider asked by its internal name answered with that."""
    if not address or not settings.OIDC_INTERNAL_URL:
        return address
    return _at(settings.OIDC_ISSUER, address)


def _at(origin: str, address: str) -> str:
    there, parts = urlsplit(origin), urlsplit(address)
    return urlunsplit((there.scheme, there.netloc, parts.path, parts.query, ""))
