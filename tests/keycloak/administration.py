"""Keycloak's admin API, as far as an operator of people needs it: what one would click in its console."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.keycloak.server import REALM, Keycloak

JSON = dict[str, Any]


class Administration:
    """An operator's hands in the realm. Every method fails with Keycloak's words when it says no."""

    def __init__(self, keycloak: Keycloak) -> None:
        self._keycloak = keycloak
        self._session = requests.Session()
        self._until = 0.0

    def call(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """`path` is below the realm: `users`. Returns the JSON that was answered, or None."""
        if time.monotonic() > self._until:
            self._sign_in()
        url = f"{self._keycloak.internal_url}/admin/realms/{REALM}/{path}".rstrip("/")
        answer = self._session.request(method, url, json=body, params=query, timeout=20)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    @property
    def token(self) -> str:
        """The operator's own, of the master realm."""
        self._sign_in()
        return str(self._session.headers["Authorization"]).removeprefix("Bearer ")

    def _sign_in(self) -> None:
        form = {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": "operator",
            "password": self._keycloak.admin_password,
        }
        url = f"{self._keycloak.internal_url}/realms/master/protocol/openid-connect/token"
        answer = self._session.post(url, data=form, timeout=20)
        assert answer.ok, answer.text
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self._until = time.monotonic() + 30  # the master realm's tokens live for a minute

    # ── People ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def person(self, username: str) -> JSON:
        (found,) = self.call("GET", "users", username=username, exact="true")
        return dict(found)

    def add(self, username: str, *groups: str, **fields: object) -> JSON:
        """A person with the demo password, a verified e-mail address and these groups, by full path."""
        self.call(
            "POST",
            "users",
            {
                "username": username,
                "enabled": True,
                "email": f"{username}@example.com",
                "emailVerified": True,
                "firstName": username.title(),
                "lastName": "Test",
                "groups": list(groups),
                "credentials": [{"type": "password", "value": self._keycloak.demo_password, "temporary": False}],
                **fields,
            },
        )
        return self.person(username)

    def change(self, who: str, **fields: object) -> None:
        person = self.person(who)
        self.call("PUT", f"users/{person['id']}", person | fields)

    def groups_of(self, username: str) -> set[str]:
        return {group["path"] for group in self.call("GET", f"users/{self.person(username)['id']}/groups")}

    def move(self, username: str, *groups: str) -> None:
        """Leave a person with exactly these groups."""
        person = self.person(username)["id"]
        for group in self.call("GET", f"users/{person}/groups"):
            if group["path"] not in groups:
                self.call("DELETE", f"users/{person}/groups/{group['id']}")
        for path in groups:
            self.call("PUT", f"users/{person}/groups/{self.call('GET', f'group-by-path{path}')['id']}")

    def sessions_of(self, username: str) -> list[JSON]:
        return list(self.call("GET", f"users/{self.person(username)['id']}/sessions"))

    def sign_out(self, username: str) -> None:
        """What "Sign out" on a person's page does: every session of theirs, with a back-channel logout to each client."""
        self.call("POST", f"users/{self.person(username)['id']}/logout")

    # ── The realm ──────────────────────────────────────────────────────────────────────────────────────────────────
    def client(self, client_id: str = "cmlmanager") -> JSON:
        (found,) = self.call("GET", "clients", clientId=client_id)
        return dict(found)

    def change_client(self, client_id: str = "cmlmanager", **fields: object) -> None:
        """Change top-level fields; `attributes` are merged, the rest replaced."""
        client = self.client(client_id)
        attributes = client["attributes"] | dict(fields.pop("attributes", {}))  # type: ignore[call-overload]
        self.call("PUT", f"clients/{client['id']}", client | fields | {"attributes": attributes})

    def add_client_like(self, pattern: str, client_id: str, *, audience: str) -> None:
        """A client of another application, whose tokens are for `audience`."""
        mapper = {
            "name": "audience",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {"included.custom.audience": audience, "access.token.claim": "true"},
        }
        like = self.client(pattern)
        del like["id"]
        self.call("POST", "clients", like | {"clientId": client_id, "protocolMappers": [mapper]})

    @contextmanager
    def new_signing_key(self) -> Iterator[None]:
        """For the length of a block the realm signs with a key of its own."""
        config = {"priority": ["1000"], "algorithm": ["RS256"], "keySize": ["2048"]}
        provider = {"providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider"}
        self.call("POST", "components", provider | {"name": "newer", "config": config})
        try:
            yield
        finally:
            (key,) = self.call("GET", "components", name="newer")
            self.call("DELETE", f"components/{key['id']}")

    def change_realm(self, **fields: object) -> None:
        self.call("PUT", "", self.call("GET", "") | fields)
