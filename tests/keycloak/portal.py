"""The portal as it runs in production, with Keycloak as its provider."""

from __future__ import annotations

from pathlib import Path

from tests.keycloak.server import Keycloak
from tests.live.portal import Portal

ROLE_MAP = '{"group:/cml/admins": "admin", "group:/cml/managers": "manager", "group:/cml/users": "user"}'


class KeycloakPortal(Portal):
    """One web process on the port that the realm knows."""

    def __init__(self, folder: Path, redis_url: str, port: int, keycloak: Keycloak) -> None:
        super().__init__(folder, redis_url)
        self.port = port
        self.url = keycloak.portal_url
        self.environment |= settings_for(keycloak) | {"DJANGO_SETTINGS_MODULE": "tests.keycloak.server_settings"}


def settings_for(keycloak: Keycloak) -> dict[str, str]:
    """What docs/keycloak.md tells an operator to set."""
    return {
        "PORTAL_URL": keycloak.portal_url,
        "OIDC_ISSUER": keycloak.issuer,
        "OIDC_INTERNAL_URL": keycloak.internal_url,
        "OIDC_CLIENT_ID": "cmlmanager",
        "OIDC_CLIENT_SECRET": keycloak.client_secret,
        "OIDC_ROLE_MAP": ROLE_MAP,
        "OIDC_API_AUDIENCE": "cmlmanager-api",
        "OIDC_API_CLIENTS": "cmlmanager-api",
    }
