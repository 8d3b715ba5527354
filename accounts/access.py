"""Who gets past the door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

# The header of requests that an open page makes by itself: they keep nobody signed in, and send nobody to sign-in.
UNATTENDED = "X-Unattended"

View = TypeVar("View", bound=Callable[..., Any])


def role_not_required(view: View) -> View:
    """Mark a view that signed-in people without a role may open: their own account, signing out."""
    view.role_required = False  # type: ignore[attr-defined]
    return view
