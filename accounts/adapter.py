"""How allauth behaves here."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedRegistrationAdapter(DefaultAccountAdapter):
    """Nobody registers themselves: operators create accounts, or Keycloak does."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
