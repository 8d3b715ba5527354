"""Stands in for accounts.services.bearers until that is merged: no bearer is known."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User


class BearerRefused(Exception):
    """Why a bearer is not believed, as a sentence."""


def identify(authorization: str, *, now: datetime) -> User:
    """Raises BearerRefused."""
    raise BearerRefused("This portal takes no tokens yet.")
