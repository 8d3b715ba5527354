"""What the portal's settings say of its realm, in one place for the checks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.urls import reverse

from accounts.realm.provider import Provider


@dataclass(frozen=True)
class Setup:
    """The portal's side of a realm. Addresses of the portal are "" while PORTAL_URL is not set."""

    issuer: str
    internal_origin: str  # where the portal's own calls go instead of the issuer's origin; "" for the same
    client_id: str
    client_secret: str = field(repr=False)
    scopes: str
    algorithms: tuple[str, ...]
    role_map: Mapping[str, object]
    default_role: str
    groups_claim: str
    api_audience: str
    api_clients: tuple[str, ...]
    portal_url: str
    callback_path: str
    signed_out_path: str
    backchannel_path: str
    timeout: float

    def address(self, path: str) -> str:
        """The portal's address of `path`, or "" when it is not known."""
        return self.portal_url + path if self.portal_url else ""

    def from_here(self, url: str) -> str:
        """Where the portal's own calls to an address of the realm go."""
        if not self.internal_origin:
            return url
        there, parts = urlsplit(self.internal_origin), urlsplit(url)
        return urlunsplit((there.scheme, there.netloc, parts.path, parts.query, ""))

    @property
    def is_keycloak(self) -> bool:
        """Whether advice may name what Keycloak's console calls things."""
        return "/realms/" in self.issuer


def from_settings(portal_url: str = "") -> Setup:
    """The settings of this portal; `portal_url` instead of PORTAL_URL if given."""
    return Setup(
        issuer=settings.OIDC_ISSUER,
        internal_origin=settings.OIDC_INTERNAL_URL,
        client_id=settings.OIDC_RP_CLIENT_ID,
        client_secret=settings.OIDC_RP_CLIENT_SECRET,
        scopes=settings.OIDC_RP_SCOPES,
        algorithms=tuple(settings.OIDC_SIGN_ALGORITHMS),
        role_map=settings.OIDC_ROLE_MAP,
        default_role=settings.OIDC_DEFAULT_ROLE,
        groups_claim=settings.OIDC_GROUPS_CLAIM,
        api_audience=settings.OIDC_API_AUDIENCE,
        api_clients=tuple(settings.OIDC_API_CLIENTS),
        portal_url=(portal_url or settings.PORTAL_URL).rstrip("/"),
        callback_path=reverse("oidc_authentication_callback"),
        signed_out_path=reverse("account_login"),
        backchannel_path=reverse("oidc_backchannel_logout"),
        timeout=settings.OIDC_TIMEOUT,
    )


@dataclass(frozen=True)
class Realm:
    """A realm that has described itself: what the later checks ask."""

    setup: Setup
    provider: Provider
    document: Mapping[str, object]
    browser_origin_answers: bool  # whether the issuer's own address can be reached from here

    def endpoint(self, name: str) -> str:
        """An address of the document, for the portal's own calls; "" when there is none."""
        value = self.document.get(name)
        return self.setup.from_here(value) if isinstance(value, str) and value else ""

    def page(self, name: str) -> str:
        """An address that browsers are sent to, as far as it can be reached from here."""
        value = self.document.get(name)
        if not isinstance(value, str) or not value:
            return ""
        return value if self.browser_origin_answers else self.setup.from_here(value)

    def supported(self, name: str) -> set[str]:
        """A list of the document, such as scopes_supported."""
        value = self.document.get(name)
        return {item for item in value if isinstance(item, str)} if isinstance(value, list) else set()


def nobody() -> str:
    """A name or code that certainly stands for nothing."""
    return f"check-oidc-{secrets.token_hex(12)}"
