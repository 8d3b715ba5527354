"""Signing out on both sides: ours tells the provider (RP-Initiated Logout 1.0), the provider tells us (Back-Channel Logout 1.0)."""

from __future__ import annotations

import hashlib
import logging
import uuid
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from accounts.models import ProviderSession
from accounts.oidc import discovery, tokens
from accounts.oidc.errors import TokenRefused
from accounts.services import sessions
from cmlmanager import vault

logger = logging.getLogger(__name__)


def id_token_of(request: HttpRequest) -> str | None:
    """The ID token with which this session began; None when it is none of the provider's. "" when it can no longer be read."""
    with suppress(ValueError, TypeError):
        pk = uuid.UUID(request.session.get(sessions.SESSION_KEY, ""))
        kept = ProviderSession.objects.filter(pk=pk).first()
        if kept is None:
            return None
        try:
            return vault.decrypt(kept.id_token_encrypted)
        except vault.UnableToDecrypt:
            return ""
    return None


def way_out(id_token: str, *, back_to: str) -> str:
    """Where to send the browser, so that the provider's session ends too. "" when the provider has no such door.

    Raises ProviderAway when it does not answer now: a browser that is sent there would be stranded.
    """
    address = discovery.provider(fresh=True).end_session_endpoint
    if not address:
        return ""
    fields = {"client_id": settings.OIDC_RP_CLIENT_ID, "post_logout_redirect_uri": back_to}
    if id_token:
        fields["id_token_hint"] = id_token
    return f"{address}{'&' if '?' in address else '?'}{urlencode(fields)}"


def end_by_provider(logout_token: str, *, now: datetime) -> int:
    """End the sessions that a logout token is about; returns how many there were. Raises TokenRefused, ProviderAway."""
    claims = tokens.verify_logout_token(logout_token, now=now)
    # Good for two minutes at most, and remembered for longer.
    key = "oidc-logout-" + hashlib.sha256(claims["jti"].encode()).hexdigest()
    if not cache.add(key, True, timeout=tokens.LOGOUT_TOKEN_AGE + 4 * tokens.LEEWAY):
        raise TokenRefused("The logout token has been used before.")
    subject, sid = claims.get("sub"), claims.get("sid")
    why = f"by {settings.OIDC_NAME}"
    count = sessions.end_sessions(issuer=settings.OIDC_ISSUER, subject=subject, sid=sid, why=why, now=now)
    if count:
        logger.info("%s has ended %s sessions (sub %s, sid %s).", settings.OIDC_NAME, count, subject, sid)
    return count
