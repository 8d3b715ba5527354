"""What Django tells of people that sessions and the audit must know."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_save
from django.http import HttpRequest
from django.utils import timezone

from accounts.choices import AccountEvent
from accounts.models import User
from accounts.services import sessions
from accounts.signals import account_event

# Of a name that somebody typed: it may be anything, a password in the wrong field too, and need not be whole to be recognised.
_NAME = 150


def _signed_in(sender: Any, *, request: HttpRequest, user: User, **kwargs: Any) -> None:
    method = sessions.method_of(request.session.get(BACKEND_SESSION_KEY, ""))
    sign_in = sessions.record_sign_in(request, user, method=method)
    account_event.send(User, kind=AccountEvent.SIGNED_IN, user=user, by=user, detail=method.label, address=sign_in.address)


def _signed_out(sender: Any, *, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    sessions.signed_out(request)
    if user is not None:
        account_event.send(
            User, kind=AccountEvent.SIGNED_OUT, user=user, by=user, detail="", address=sessions.address_of(request)
        )


def _sign_in_failed(sender: Any, *, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    name = str(credentials.get("username", ""))[:_NAME]
    user = User.objects.filter(username=name).first() if name else None
    address = sessions.address_of(request) if request is not None else None
    # A name that nobody has is not kept: sooner or later somebody types their password there.
    detail = "" if user else "a name that nobody has"
    account_event.send(User, kind=AccountEvent.SIGN_IN_FAILED, user=user, by=None, detail=detail, address=address)


def _saved(sender: Any, *, instance: User, created: bool, raw: bool, **kwargs: Any) -> None:
    """Nobody stays signed in who was deactivated, or with a password that was changed."""
    if created or raw:
        return
    if not instance.is_active:
        sessions.end_sessions(user=instance, why="the account was deactivated", now=timezone.now())
    elif getattr(instance, "_password", None) is not None:  # Django's own sign of a new one, there until it is saved
        sessions.end_by_new_password(instance, now=timezone.now())


def connect() -> None:
    """Once, when the app is ready."""
    for signal, receiver in (
        (user_logged_in, _signed_in),
        (user_logged_out, _signed_out),
        (user_login_failed, _sign_in_failed),
    ):
        signal.connect(receiver, dispatch_uid=f"accounts.receivers.{receiver.__name__}")
    post_save.connect(_saved, sender=User, dispatch_uid="accounts.receivers.saved")
