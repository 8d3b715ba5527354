"""Whether local accounts may be used, by whom and at which door. The setting LOCAL_ACCOUNTS decides; Keycloak's people are not asked here."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.http import HttpRequest
from django.urls import reverse

from accounts.choices import LocalAccounts
from accounts.models import User


def mode() -> LocalAccounts:
    """The setting."""
    return LocalAccounts(settings.LOCAL_ACCOUNTS)


def may_be_signed_in(user: User) -> bool:
    """Whether this account may be used locally. Asked at sign-in and again at every request, so a changed setting ends sessions at once."""
    return mode() == LocalAccounts.ON or (mode() == LocalAccounts.BREAK_GLASS and user.is_break_glass)


def may_try(request: HttpRequest | None) -> bool:
    """Whether a password may be tried here: anywhere while local accounts are on; the break-glass account at its own address, and
    again where it confirms that it is still there.
    """
    if mode() != LocalAccounts.BREAK_GLASS or request is None:
        return mode() == LocalAccounts.ON
    return request.path == reverse("break_glass") or is_local(request)


def is_local(request: HttpRequest) -> bool:
    """Whether the person who asks is signed in with a local account."""
    user = getattr(request, "user", None)
    signed_in = user is not None and user.is_authenticated
    return signed_in and request.session.get(BACKEND_SESSION_KEY) == settings.LOCAL_BACKEND
