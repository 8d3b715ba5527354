"""The authentication backend of local accounts. It refuses by itself whom the policy refuses: hiding a form is no protection."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from accounts.local import policy
from accounts.models import User


class LocalBackend(AuthenticationBackend):
    """allauth's, asked by user name and password only where the policy allows it."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> AbstractBaseUser | None:
        """The person with this name and password, or None. Takes as long for a name that does not exist."""
        if not policy.may_try(request):
            return None
        return super().authenticate(request, **credentials)

    def user_can_authenticate(self, user: User) -> bool:
        """Asked at sign-in and by `get_user` at every request."""
        return super().user_can_authenticate(user) and policy.may_be_signed_in(user)

    def _check_password(self, user: AbstractBaseUser | None, password: str) -> AbstractBaseUser | None:
        # allauth tells people whose password is right but who are inactive so; nobody else is told that a password is right.
        if isinstance(user, User) and not policy.may_be_signed_in(user):
            return None
        return super()._check_password(user, password)
