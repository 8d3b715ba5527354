"""The OpenID provider's public keys (JWKS), kept for an hour; an unknown key is asked for, but not at everybody's whim."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import jwt
from django.conf import settings
from jwt.exceptions import PyJWTError

from accounts.oidc import calls, discovery
from accounts.oidc.errors import ProviderAway, ProviderRefused, TokenRefused

_LIFETIME = 3600.0
# How long keys hold when the provider is away: what it has taken back meanwhile is believed so much longer.
_STALE_LIFETIME = 4 * 3600.0
# Seconds between two looks for the sake of a key that nobody knows: anybody can write any key's name into a token.
_LOOK_AGAIN = 30.0
# Seconds for which a failure is remembered.
_PAUSE = 5.0
_MAX_KEYS = 100


@dataclass
class _Ring:
    """Keys by their name (kid), and the monotonic times of looks."""

    keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    read_at: float = float("-inf")
    forced_at: float = float("-inf")
    failed_at: float = float("-inf")
    failure: ProviderAway | None = None


_lock = threading.Lock()
_rings: dict[tuple[str, str], _Ring] = {}


def key_of(token: str) -> jwt.PyJWK:
    """The provider's key that `token` says it was signed with. The signature is for the caller to verify.

    Raises TokenRefused when the token names no key of the provider, ProviderAway when the keys cannot be had.
    """
    try:
        header = jwt.get_unverified_header(token)
    except PyJWTError:
        raise TokenRefused("The token is no signed JWT.") from None
    if header.get("alg") not in settings.OIDC_SIGN_ALGORITHMS:
        raise TokenRefused(f"The token is signed with {str(header.get('alg'))[:20]!r}, which is not accepted here.")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise TokenRefused("The token does not name the key that it was signed with.")
    with _lock:
        ring = _rings.setdefault((settings.OIDC_ISSUER, settings.OIDC_INTERNAL_URL), _Ring())
        _refresh(ring, wanted=kid)
        key = ring.keys.get(kid)
    if key is None:
        raise TokenRefused("The token is signed with a key that the provider does not publish.")
    if key.algorithm_name != header["alg"]:
        raise TokenRefused("The token's key is for another algorithm.")
    return key


def forget() -> None:
    """Know no keys any more."""
    with _lock:
        _rings.clear()


def _refresh(ring: _Ring, *, wanted: str) -> None:
    """Read the keys again if they are old, or lack the wanted one and the last such look was a while ago."""
    now = time.monotonic()
    age = now - ring.read_at
    is_unknown = wanted not in ring.keys
    if age < _LIFETIME and not (is_unknown and now - ring.forced_at >= _LOOK_AGAIN):
        return
    if now - ring.failed_at < _PAUSE:
        if ring.failure and (age >= _STALE_LIFETIME or is_unknown):
            raise ring.failure
        return
    if is_unknown and age < _LIFETIME:
        ring.forced_at = now
    try:
        ring.keys = _read(calls.get(discovery.provider().jwks_uri).get("keys"))
        ring.read_at = time.monotonic()
    except (ProviderAway, ProviderRefused) as error:
        ring.failed_at = time.monotonic()
        ring.failure = error if isinstance(error, ProviderAway) else ProviderAway(str(error))
        if age >= _STALE_LIFETIME or is_unknown:
            raise ring.failure from error


def _read(published: object) -> dict[str, jwt.PyJWK]:
    """The signing keys of a JWKS for algorithms accepted here. Raises ProviderAway when there are none."""
    keys: dict[str, jwt.PyJWK] = {}
    for entry in published[:_MAX_KEYS] if isinstance(published, list) else []:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        try:
            key = jwt.PyJWK(entry)
        except (PyJWTError, ValueError, TypeError):
            continue  # a kind of key that this library does not know
        if key.algorithm_name in settings.OIDC_SIGN_ALGORITHMS:
            keys[entry["kid"]] = key
    if not keys:
        raise ProviderAway(f"The provider publishes no key for {' or '.join(settings.OIDC_SIGN_ALGORITHMS)}.")
    return keys
