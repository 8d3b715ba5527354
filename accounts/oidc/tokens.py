"""Tokens of the OpenID provider, verified here with its published keys: ID tokens, access tokens, logout tokens.

Each kind is held to its own rules, so that none passes for another. Sources: OpenID Connect Core 1.0 §3.1.3.7 and §12.2, Back-Channel
Logout 1.0 §2.6, RFC 8725, RFC 9068; Keycloak's own claim `typ` says ID, Bearer or Logout.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import jwt
from django.conf import settings
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from accounts.oidc import keys
from accounts.oidc.errors import TokenRefused

Claims = dict[str, Any]
LEEWAY = 30  # seconds by which clocks may differ
MAX_TOKEN = 16 * 1024  # characters; what a web server lets through in a header
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
# Seconds for which a logout token is good when it does not say so itself; Keycloak says two minutes.
LOGOUT_TOKEN_AGE = 120


def verify_id_token(raw: str, *, nonce: str) -> Claims:
    """The claims of an ID token that answers the sign-in which `nonce` was made for. Raises TokenRefused, ProviderAway."""
    claims = _id_token(raw)
    if not nonce or claims.get("nonce") != nonce:
        raise TokenRefused("The ID token belongs to another sign-in: its nonce is not the one that was sent.")
    return claims


def verify_renewed_id_token(raw: str, *, subject: str) -> Claims:
    """The claims of an ID token that came with a renewal for `subject`. Raises TokenRefused, ProviderAway."""
    claims = _id_token(raw)
    if claims["sub"] != subject:
        raise TokenRefused("The renewed ID token is about another person.")
    return claims


def verify_access_token(raw: str) -> Claims:
    """The claims of an access token for this portal's API, from a client that may use it. Raises TokenRefused, ProviderAway."""
    claims = _verified(
        raw, audience=settings.OIDC_API_AUDIENCE, required=("iss", "aud", "sub", "exp", "iat"), types=("jwt", "at+jwt")
    )
    if claims.get("typ") != "Bearer":
        raise TokenRefused("The token is no access token of the kind Bearer.")
    client = claims.get("azp", claims.get("client_id"))
    if client not in settings.OIDC_API_CLIENTS:
        raise TokenRefused("The access token was given to a client that is not in OIDC_API_CLIENTS.")
    return claims


def verify_logout_token(raw: str, *, now: datetime) -> Claims:
    """The claims of a logout token, which has sub or sid or both. That its jti comes only once is for the caller to see to.

    Raises TokenRefused, ProviderAway.
    """
    claims = _verified(
        raw, audience=settings.OIDC_RP_CLIENT_ID, required=("iss", "aud", "iat", "jti", "events"), types=("jwt", "logout+jwt")
    )
    if claims.get("typ", "Logout") != "Logout":
        raise TokenRefused("The token is no logout token.")
    events = claims["events"]
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise TokenRefused("The token does not say that it is about a logout.")
    if "nonce" in claims:
        raise TokenRefused("The logout token has a nonce, which none may have.")
    if not _is_name(claims["jti"]):
        raise TokenRefused("The logout token has no good jti.")
    if not any(_is_name(claims.get(name)) for name in ("sid", "sub")):
        raise TokenRefused("The logout token names neither a session nor a person.")
    if now.timestamp() - claims["iat"] > LOGOUT_TOKEN_AGE + LEEWAY:
        raise TokenRefused("The logout token is too old.")
    return claims


def _id_token(raw: str) -> Claims:
    claims = _verified(raw, audience=settings.OIDC_RP_CLIENT_ID, required=("iss", "aud", "sub", "exp", "iat"), types=("jwt",))
    if claims.get("typ", "ID") != "ID" or "events" in claims:
        raise TokenRefused("The token is no ID token.")
    party = claims.get("azp")
    if party is None and isinstance(claims["aud"], list) and len(claims["aud"]) > 1:
        raise TokenRefused("The ID token is for several clients and does not say which one asked for it.")
    if party is not None and party != settings.OIDC_RP_CLIENT_ID:
        raise TokenRefused("The ID token was asked for by another client.")
    return claims


def _verified(raw: str, *, audience: str, required: tuple[str, ...], types: tuple[str, ...]) -> Claims:
    """The claims of a token that the provider signed, for `audience`, at a time that is not over. Raises TokenRefused, ProviderAway."""
    if not isinstance(raw, str) or not raw or len(raw) > MAX_TOKEN:
        raise TokenRefused("There is no token, or one that is far too long.")
    key = keys.key_of(raw)
    try:
        decoded = jwt.decode_complete(
            raw,
            key,
            algorithms=settings.OIDC_SIGN_ALGORITHMS,
            audience=audience,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY,
            options={"require": list(required)},
        )
    except PyJWTError as error:
        raise TokenRefused(_sentence(error)) from None
    if str(decoded["header"].get("typ", "JWT")).lower().removeprefix("application/") not in types:
        raise TokenRefused("The token's header says that it is a token of another kind.")
    claims: Claims = decoded["payload"]
    if not isinstance(claims.get("iat"), int | float):
        raise TokenRefused("The token does not say when it was issued.")
    if "sub" in required and not _is_name(claims["sub"]):
        raise TokenRefused("The token names no person.")
    return claims


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable()


_SENTENCES: tuple[tuple[type[PyJWTError], str], ...] = (
    (ExpiredSignatureError, "The token has expired."),
    (ImmatureSignatureError, "The token is not valid yet; perhaps a clock is wrong."),
    (InvalidAudienceError, "The token is for another audience."),
    (InvalidIssuerError, "The token was issued by another provider."),
    (InvalidSignatureError, "The token's signature is wrong."),
)


def _sentence(error: PyJWTError) -> str:
    if isinstance(error, MissingRequiredClaimError):
        return f"The token lacks the claim {error.claim}."
    return next((sentence for kind, sentence in _SENTENCES if isinstance(error, kind)), "The token is not a good one.")
