"""What every template knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

VERSION = "0.1.0"


def portal(request: HttpRequest) -> dict[str, Any]:
    """Constants of the installation and the viewer's colours."""
    user = getattr(request, "user", None)
    return {
        "sandbox": settings.SANDBOX,
        "portal_version": VERSION,
        "heartbeat_interval": settings.HEARTBEAT_INTERVAL,
        "colour_scheme": user.colour_scheme if user is not None and user.is_authenticated else "system",
    }
