"""What Django tells of people that is sessions' business."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_save
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from accounts.services import sessions


def _signed_in(sender: Any, *, request: HttpRequest, user: User, **kwargs: Any) -> None:
    sessions.record_sign_in(request, user, method=sessions.of_method(request.session.get(BACKEND_SESSION_KEY, "")))


def _saved(sender: Any, *, instance: User, **kwargs: Any) -> None:
    """Nobody stays signed in who was deactivated, or with a password that was changed."""
    if not instance.is_active:
        sessions.end_sessions(user=instance, now=timezone.now())
    elif instance._password is not None:
        sessions.ended_by_password(instance)


def connect() -> None:
    """Once, when the app is ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="accounts.sessions.signed_in")
    post_save.connect(_saved, sender=User, dispatch_uid="accounts.sessions.saved")
