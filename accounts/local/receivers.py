"""What Django and allauth tell of local accounts, told on as our signals."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.signals import password_changed
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from accounts.choices import AccountEvent
from accounts.local.factors import name_of
from accounts.models import User
from accounts.services.local import tell

logger = logging.getLogger(__name__)


def _password_changed(sender: Any, *, request: HttpRequest, user: User, **kwargs: Any) -> None:
    tell(AccountEvent.PASSWORD_CHANGED, request, user=user, by=user)


def _factor_added(sender: Any, *, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    tell(AccountEvent.FACTOR_ADDED, request, user=user, by=user, detail=name_of(authenticator))


def _factor_removed(sender: Any, *, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    tell(AccountEvent.FACTOR_REMOVED, request, user=user, by=user, detail=name_of(authenticator))


def _factor_reset(sender: Any, *, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    tell(AccountEvent.FACTOR_ADDED, request, user=user, by=user, detail=f"new {name_of(authenticator)}")


def _signed_in(sender: Any, *, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Each use of the break-glass account is told loudly, whatever else is told of a sign-in."""
    if not user.is_break_glass or request.session.get(BACKEND_SESSION_KEY) != settings.LOCAL_BACKEND:
        return
    logger.warning("The break-glass account %s has signed in.", user.get_username())
    tell(AccountEvent.BREAK_GLASS, request, user=user, by=user, detail="signed in")


def connect() -> None:
    """Once, when the app is ready."""
    for signal, receiver in (
        (password_changed, _password_changed),
        (authenticator_added, _factor_added),
        (authenticator_removed, _factor_removed),
        (authenticator_reset, _factor_reset),
        (user_logged_in, _signed_in),
    ):
        signal.connect(receiver, dispatch_uid=f"accounts.local.{receiver.__name__}")
