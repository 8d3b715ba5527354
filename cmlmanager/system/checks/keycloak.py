"""Keycloak, or whichever OpenID provider people sign in with: its description can be read."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from cmlmanager.system import health

TIMEOUT = (3.0, 5.0)  # seconds to connect, and for each wait
SLOW_MS = 2_000.0
LONGEST = 1024 * 1024
_ADVICE = "See that it runs and that OIDC_ISSUER is its address. Who is signed in stays; local accounts can sign in."


@health.register(name="keycloak", label="Keycloak", group=health.Group.OUTSIDE, every=60, slow=True)
def keycloak(context: health.Context) -> health.Said:
    """Its discovery document (OpenID Connect Discovery 1.0, section 4)."""
    issuer = str(getattr(settings, "OIDC_ISSUER", "") or "").rstrip("/")
    if not issuer:
        return health.off("People sign in with local accounts: OIDC_ISSUER is not set.")
    base = _from_here(issuer)
    watch = health.Stopwatch()
    try:
        described = _description(base)
    except _UnableToRead as problem:
        return health.failing(problem.sentence, problem.advice)
    return _judged(described, issuer=issuer, latency=watch.ms)


class _UnableToRead(Exception):
    """Why there is no description."""

    def __init__(self, sentence: str, advice: str = _ADVICE) -> None:
        super().__init__(sentence)
        self.sentence, self.advice = sentence, advice


def _description(base: str) -> dict[str, Any]:
    """Raises _UnableToRead."""
    try:
        answer = requests.get(f"{base}/.well-known/openid-configuration", timeout=TIMEOUT, allow_redirects=False)
        described = answer.json() if answer.status_code == 200 and len(answer.content) <= LONGEST else None
    except requests.exceptions.SSLError:
        raise _UnableToRead(
            f"{base} shows a certificate that the portal does not trust.",
            "Give the portal the authority that signed it (REQUESTS_CA_BUNDLE), or mend the certificate.",
        ) from None
    except requests.exceptions.JSONDecodeError:
        described = None
    except requests.RequestException as error:
        raise _UnableToRead(f"{base} cannot be reached ({type(error).__name__}).") from None
    if answer.status_code != 200:
        raise _UnableToRead(f"{base} answers {answer.status_code} instead of its description.")
    if not isinstance(described, dict) or "jwks_uri" not in described:
        raise _UnableToRead(f"{base} answers, but not with an OpenID provider’s description.")
    return described


def _judged(described: dict[str, Any], *, issuer: str, latency: float) -> health.Said:
    said = str(described.get("issuer", "")).rstrip("/")
    more: dict[str, Any] = {"latency_ms": latency, "facts": {"Issuer": said, "Keys": str(described["jwks_uri"])}}
    if said != issuer:
        return health.failing(
            f"It calls itself {said or 'nothing'}, not {issuer}: its tokens are refused.",
            "Set OIDC_ISSUER to exactly what it calls itself, or mend its hostname.",
            **more,
        )
    if latency > SLOW_MS:
        return health.warning(f"It takes {latency / 1000:.1f} s to answer.", "Look at its machine.", **more)
    return health.ok("It answers, under the name that the portal knows.", **more)


def _from_here(issuer: str) -> str:
    """The issuer's address at the origin under which the portal reaches it, when that is another than the browsers'."""
    origin = str(getattr(settings, "OIDC_INTERNAL_URL", "") or "").rstrip("/")
    return f"{origin}{urlsplit(issuer).path}" if origin else issuer
