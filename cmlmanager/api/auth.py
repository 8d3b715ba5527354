"""Who asks: a bearer token when the request carries one, else the session of somebody who is signed in."""

from __future__ import annotations

from typing import cast

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja.utils import check_csrf

from accounts.requests import PersonalRequest
from accounts.services.bearers import BearerRefused, identify
from cmlmanager.api.problems import Problem

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Operations for which no role is needed.
WITHOUT_ROLE = frozenset({"whoami"})


def authenticate(request: HttpRequest) -> None:
    """Set `request.user` to who asks. Raises Problem: nobody (401), or a session without its CSRF token (403).

    A request with an Authorization header is judged by that alone: what a script sends must not depend on a browser's cookie.
    """
    header = request.headers.get("Authorization")
    if header is not None:
        try:
            address = get_adapter().get_client_ip(request)
            request.user = identify(header, now=timezone.now(), address=address)
        except BearerRefused as refusal:
            raise Problem("unauthenticated", str(refusal), headers={"WWW-Authenticate": _challenge("invalid_token")}) from None
        return
    if not request.user.is_authenticated:
        sentence = "Send a token as “Authorization: Bearer …”, or sign in to the portal."
        raise Problem("unauthenticated", sentence, headers={"WWW-Authenticate": _challenge()})
    request.body  # noqa: B018 - read now: the check looks for a form's token too, and what it reads as a form nobody can read again
    if request.method not in SAFE and check_csrf(request) is not None:
        raise Problem("csrf", "A session may change something only with its CSRF token, in the X-CSRFToken header.")


def require_role(request: HttpRequest) -> None:
    """Raises Problem (403) for somebody without a role, who may see nothing."""
    route = request.resolver_match
    if request.user.has_perm("workers.view_worker") or (route and route.url_name in WITHOUT_ROLE):
        return
    raise Problem("no-role", f"Your account has no role, so there is nothing to see. Ask {settings.SUPPORT_CONTACT} for one.")


def spender(request: HttpRequest) -> str:
    """Whose limits and idempotency keys count: the token, or the person for all their sessions."""
    person = cast(PersonalRequest, request).user
    return person.credential or f"person:{person.pk}"


def _challenge(error: str = "") -> str:
    return 'Bearer realm="CML Cloud Manager"' + (f', error="{error}"' if error else "")
