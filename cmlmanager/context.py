"""What every template knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.choices import LocalAccounts
from accounts.local import policy

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
        "colour_scheme": user.colour_scheme if user is not None and user.is_authenticated else "system",
    }
