"""One's own account, one's sessions, one's API tokens."""

from accounts.views.account import account

__all__ = ["account"]
