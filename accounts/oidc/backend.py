"""The code flow with the provider: from the code that the browser brings to the person it stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.utils import timezone
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from accounts.models import User
from accounts.oidc import calls, discovery, people, tokens
from accounts.oidc.errors import TokenRefused
from accounts.oidc.groups import apply_groups


@dataclass(frozen=True, slots=True)
class Grant:
    """What the provider gave for one sign-in or renewal, verified. The tokens are not shown by repr."""

    claims: dict[str, Any]  # of the ID token
    userinfo: dict[str, Any]
    id_token: str = field(repr=False)
    refresh_token: str = field(repr=False)  # "" when the client gets none

    @property
    def sid(self) -> str:
        """The provider's key of its session, or ""."""
        sid = self.claims.get("sid")
        return sid if isinstance(sid, str) and len(sid) <= 255 and sid.isprintable() else ""


class KeycloakBackend(OIDCAuthenticationBackend):
    """mozilla-django-oidc's, with our verification of tokens, and people by (issuer, subject) instead of by e-mail.

    Unlike there nothing fails in silence: authenticate raises ProviderAway, ProviderRefused, TokenRefused or SignInRefused.
    """

    grant: Grant

    def __init__(self) -> None:
        # Not the library's, which wants all addresses as settings: ours come from discovery.
        self.UserModel = User
        self.OIDC_RP_CLIENT_ID = settings.OIDC_RP_CLIENT_ID
        self.OIDC_RP_CLIENT_SECRET = settings.OIDC_RP_CLIENT_SECRET
        self._answer: dict[str, Any] = {}

    def authenticate(
        self, request: HttpRequest | None, nonce: str | None = None, code_verifier: str | None = None
    ) -> User | None:
        """The person whose code is in `request`. None unless our own callback asks: it alone knows nonce and verifier."""
        if request is None or not nonce or not code_verifier or not discovery.is_on():
            return None
        user: User | None = super().authenticate(request, nonce=nonce, code_verifier=code_verifier)
        return user

    def get_token(self, payload: dict[str, str]) -> dict[str, Any]:
        """Trade the code for tokens."""
        self._answer = calls.post(discovery.provider().token_endpoint, payload)
        return self._answer

    def verify_token(self, token: Any, **kwargs: Any) -> tokens.Claims:
        """The claims of the ID token."""
        return tokens.verify_id_token(token, nonce=kwargs["nonce"])

    def store_tokens(self, access_token: Any, id_token: Any) -> None:
        """Nothing goes into the session; the view keeps what `grant` has."""

    def get_or_create_user(self, access_token: Any, id_token: Any, payload: tokens.Claims) -> User:
        """The account of the person whom the tokens are about, up to date."""
        userinfo = userinfo_of(access_token, subject=payload["sub"])
        self.grant = Grant(payload, userinfo, str(id_token), refresh_token_in(self._answer))
        person = people.person_of(payload | userinfo)
        user = people.account_of(person, now=timezone.now())
        apply_groups(user, (payload, userinfo))
        return user

    def get_user(self, user_id: Any) -> User | None:
        """Only active people stay signed in, and only while the provider is in use. The library does not ask."""
        user = ModelBackend.get_user(self, user_id)
        return user if isinstance(user, User) and discovery.is_on() else None


def userinfo_of(access_token: object, *, subject: str) -> dict[str, Any]:
    """What the provider says of the person of `access_token`. Raises ProviderAway, ProviderRefused, TokenRefused."""
    if not isinstance(access_token, str) or not access_token:
        raise TokenRefused("The provider gave no access token.")
    userinfo = calls.get(discovery.provider().userinfo_endpoint, bearer=access_token)
    if userinfo.get("sub") != subject:
        raise TokenRefused("The provider's userinfo is about another person than its ID token.")
    return userinfo


def refresh_token_in(answer: dict[str, Any]) -> str:
    """The refresh token of a token response, or ""."""
    token = answer.get("refresh_token")
    return token if isinstance(token, str) else ""
