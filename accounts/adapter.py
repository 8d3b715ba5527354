"""How allauth behaves here."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.account.internal.userkit import get_user_by_username
from allauth.core import context
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.choices import AccountEvent
from accounts.local import lockout, policy
from accounts.models import User
from accounts.services.local import tell

SWITCHED_OFF = "Signing in with a password of the portal's own is switched off here."


class LocalAccountAdapter(DefaultAccountAdapter):
    """Nobody registers themselves: operators create accounts, or Keycloak does."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": "This user name and password do not belong together.",
        "too_many_login_attempts": "Too many failed attempts. Wait five minutes, or ask an administrator to unlock the account.",
        "rate_limited": "Too many attempts. Wait a minute and try again.",
        "incorrect_password": "This is not your password.",
        "enter_current_password": "This is not your current password.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # Not by the name in the address as allauth does: who counts anew under each name of the portal may guess more often.
        return lockout.counter_of(credentials.get("username", ""))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Raises ValidationError with a sentence where no password may be tried, or too many were."""
        if not policy.may_try(request):
            raise ValidationError(SWITCHED_OFF, code="switched_off")
        super().pre_authenticate(request, **credentials)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Tell the audit of the failure with which the lock-out begins. Those before it the sign-in signals tell."""
        name = str(credentials.get("username", ""))
        user = get_user_by_username(name)
        if not isinstance(user, User) or not lockout.is_locked(user):
            return
        detail = "too many wrong passwords"
        tell(AccountEvent.LOCKED, request, user=user, detail=detail, by=None)

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse | None:
        """The last gate of every local way in, a passkey's too."""
        if user.is_active and not policy.may_be_signed_in(user):
            clear_login(request)
            return redirect("account_login")
        return super().pre_login(request, user, **kwargs)

    def is_safe_url(self, url: str) -> bool:
        """Only this very portal. allauth would also take its other names, and fails over an address that is none ("http://[")."""
        here = {context.request.get_host()}
        return url_has_allowed_host_and_scheme(url, allowed_hosts=here, require_https=context.request.is_secure())

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account")
