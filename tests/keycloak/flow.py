"""Sign-in at Keycloak as a program: what a browser would do, without one."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from tests.keycloak.server import Keycloak

_FORM = re.compile(r'<form[^>]*action="([^"]+)"')


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says. Nothing is checked."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


class Visitor:
    """One browser at Keycloak, with its cookies."""

    def __init__(self, keycloak: Keycloak) -> None:
        self.keycloak = keycloak
        self._session = requests.Session()
        self._verifier = secrets.token_urlsafe(48)

    def endpoint(self, name: str) -> str:
        return f"{self.keycloak.issuer}/protocol/openid-connect/{name}"

    def ask(self, **changed: str | None) -> requests.Response:
        """The authorisation request as the portal makes it, with parameters changed, or left out where None."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        parameters: dict[str, str | None] = {
            "client_id": "cmlmanager",
            "response_type": "code",
            "scope": "openid profile email",
            "redirect_uri": f"{self.keycloak.portal_url}/oidc/callback/",
            "state": "state",
            "nonce": "nonce",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        asked = {name: value for name, value in (parameters | changed).items() if value is not None}
        return self._request("GET", self.endpoint("auth"), params=asked)

    def fill_in(self, page: requests.Response, **fields: str) -> requests.Response:
        """Send the form of a page."""
        found = _FORM.search(page.text)
        assert found, page.text
        return self._request("POST", urljoin(page.url, html.unescape(found[1])), data=fields)

    def open(self, url: str) -> requests.Response:
        """The page at `url`, wherever Keycloak keeps it."""
        answer = self._request("GET", url)
        while answer.is_redirect:
            answer = self._request("GET", urljoin(answer.url, answer.headers["Location"]))
        return answer

    def _request(self, method: str, url: str, **options: Any) -> requests.Response:
        answer = self._session.request(method, url, allow_redirects=False, timeout=20, **options)
        for cookie in self._session.cookies:
            cookie.secure = False  # browsers send Secure cookies to localhost without TLS, requests does not
        return answer

    def userinfo(self, access_token: str) -> dict[str, Any]:
        answer = requests.get(self.endpoint("userinfo"), headers={"Authorization": f"Bearer {access_token}"}, timeout=20)
        assert answer.ok, answer.text
        return dict(answer.json())

    def sign_in(self, username: str, password: str | None = None, **changed: str | None) -> requests.Response:
        return self.fill_in(self.ask(**changed), username=username, password=password or self.keycloak.demo_password)

    def tokens(self, username: str, **changed: str | None) -> dict[str, Any]:
        """Sign in, and change the code into tokens."""
        answer = self.sign_in(username, **changed)
        code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
        redeemed = self.post(
            "token",
            grant_type="authorization_code",
            code=code,
            redirect_uri=f"{self.keycloak.portal_url}/oidc/callback/",
            client_id="cmlmanager",
            client_secret=self.keycloak.client_secret,
            code_verifier=self._verifier,
        )
        assert redeemed.ok, redeemed.text
        return dict(redeemed.json())

    def post(self, endpoint: str, **form: str) -> requests.Response:
        return requests.post(self.endpoint(endpoint), data=form, timeout=20)

    def device_token(self, username: str, client_id: str = "cmlmanager-api") -> dict[str, Any]:
        """What a script on somebody's machine gets when they say yes in their browser: docs/keycloak.md, "Scripts"."""
        begun = self.post("auth/device", client_id=client_id, scope="openid").json()
        self.approve(begun["verification_uri_complete"], username)
        redeemed = self.post(
            "token",
            grant_type="urn:ietf:params:oauth:grant-type:device_code",
            device_code=begun["device_code"],
            client_id=client_id,
        )
        assert redeemed.ok, redeemed.text
        return dict(redeemed.json())

    def approve(self, address: str, username: str) -> None:
        """Open the address that a script names, sign in, and say yes."""
        answer = self.fill_in(self.open(address), username=username, password=self.keycloak.demo_password)
        consent = self.open(answer.headers["Location"])
        assert "kc-oauth" in consent.text or "Device" in consent.text, consent.text
        if _FORM.search(consent.text):
            self.fill_in(consent, accept="Yes")

    def refreshing(self, refresh_token: str) -> dict[str, str]:
        return {"grant_type": "refresh_token", "client_id": "cmlmanager-api", "refresh_token": refresh_token}

    def refreshed(self, refresh_token: str) -> dict[str, Any]:
        """The next tokens of a script."""
        answer = self.post("token", **self.refreshing(refresh_token))
        assert answer.ok, answer.text
        return dict(answer.json())
