"""The portal as it runs in production, with Keycloak as its provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.keycloak import guide
from tests.keycloak.server import Keycloak
from tests.live.portal import Portal


class KeycloakPortal(Portal):
    """One web process on the port that the realm knows."""

    def __init__(self, folder: Path, redis_url: str, keycloak: Keycloak) -> None:
        super().__init__(folder, redis_url)
        self.url = keycloak.portal_url
        self.port = int(self.url.rpartition(":")[2])
        self.environment |= settings_for(keycloak) | {"DJANGO_SETTINGS_MODULE": "tests.keycloak.server_settings"}

    def person(self, username: str) -> dict[str, Any] | None:
        """Groups and staff status of an account; None when there is none."""
        answer: Any = self.run(_PERSON.format(username=username))
        return answer or None

    def sessions_of(self, username: str) -> int:
        """How many of their sessions are alive, as the list of one's own sessions counts them."""
        answer: Any = self.run(_SESSIONS.format(username=username))
        return int(answer["count"])

    def renewed_at(self, username: str) -> str:
        """When Keycloak last confirmed a session of theirs, as ISO text."""
        return self.run(_RENEWED.format(username=username))["at"]

    def knows_of_the_outage(self) -> bool:
        return "Sessions cannot be renewed" in self.log.read_text()


_RENEWED = """
from accounts.models import ProviderSession
answer["at"] = max(kept.renewed_at for kept in ProviderSession.objects.filter(sign_in__user__username={username!r})).isoformat()
"""
_PERSON = """
from accounts.models import User
for user in User.objects.filter(username={username!r}):
    answer = {{"groups": sorted(user.groups.values_list("name", flat=True)), "staff": user.is_staff}}
"""
_SESSIONS = """
from accounts.models import SignIn
from django.utils import timezone
answer["count"] = SignIn.objects.alive(timezone.now()).filter(user__username={username!r}).count()
"""


def settings_for(keycloak: Keycloak) -> dict[str, str]:
    """What docs/keycloak.md tells an operator to set, and the way from inside."""
    filled = {"PORTAL_URL": keycloak.portal_url, "OIDC_ISSUER": keycloak.issuer, "OIDC_CLIENT_SECRET": keycloak.client_secret}
    return guide.settings() | filled | {"OIDC_INTERNAL_URL": keycloak.internal_url}
