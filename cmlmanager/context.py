"""What every template knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from accounts.choices import LocalAccounts
from accounts.local import policy
from accounts.models import SignIn

VERSION = "0.1.0"


def portal(request: HttpRequest) -> dict[str, Any]:
    """Constants of the installation, whether one may sign in here with a password, and how the viewer did; their colours."""
    user = getattr(request, "user", None)
    return {
        "sandbox": settings.SANDBOX,
        "portal_version": VERSION,
        "heartbeat_interval": settings.HEARTBEAT_INTERVAL,
        "local_accounts": policy.mode() == LocalAccounts.ON,
        "local_session": policy.is_local(request),
        "session": _session(request),
        "colour_scheme": user.colour_scheme if user is not None and user.is_authenticated else "system",
    }


def _session(request: HttpRequest) -> dict[str, int] | None:
    """How long the viewer's session lasts, in seconds, for the page's script. None when nobody is signed in."""
    sign_in: SignIn | None = getattr(request, "sign_in", None)
    user = getattr(request, "user", None)
    if sign_in is None or user is None or not user.is_authenticated:
        return None
    left = sign_in.time_left(timezone.now())
    return {**left, "idle": settings.SESSION_IDLE_SECONDS, "warning": settings.SESSION_WARNING_SECONDS}
