"""A small OpenID provider over HTTP, with keys of its own, that signs whatever a test wants: what Keycloak does, and what somebody forges."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.test import Client

from accounts.oidc import discovery, keys, renewal

CLIENT_ID, CLIENT_SECRET = "portal", "planted-client-secret-0815"
CALLBACK = "/oidc/callback/"
Claims = dict[str, Any]
Behaviour = Callable[[BaseHTTPRequestHandler], None]


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """One key for each name, for the whole run: making them is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_pem(name: str) -> bytes:
    """The public key as an attacker finds it."""
    return rsa_key(name).public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass
class OpenIdProvider:
    """What it knows and how it behaves; tests change both. One person at a time is at its browser."""

    url: str = ""
    person: Claims = field(default_factory=lambda: somebody())  # noqa: PLW0108 - it is defined below
    key: str = "first"  # what it signs with
    published: list[str] = field(default_factory=lambda: ["first"])
    algorithm: str = "RS256"
    document: Claims = field(default_factory=dict)  # what its description has beside or instead of the usual
    userinfo: Claims = field(default_factory=dict)  # the same for userinfo
    id_token_claims: Claims = field(default_factory=dict)  # and for the ID token; None takes a claim out
    forge: Callable[[Claims], str] | None = None  # makes the ID token instead
    rotates: bool = False  # a refresh token works once, and its second use ends the session
    gives_refresh_tokens: bool = True
    authorization_error: str = ""
    behaviours: dict[str, Behaviour] = field(default_factory=dict)  # the end of a path → how it answers instead
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)  # → sid
    used: set[str] = field(default_factory=set)
    sessions: dict[str, Claims] = field(default_factory=dict)  # sid → person
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/test"

    # ── What a test does ────────────────────────────────────────────────────────────────────────────────────────────
    def sign(self, claims: Claims, *, key: str | None = None, headers: Claims | None = None) -> str:
        """A token with these claims; those that are None are left out."""
        name = key or self.key
        private = rsa_key(name) if self.algorithm.startswith("RS") else ec_key(name)
        present = {claim: value for claim, value in claims.items() if value is not None}
        return jwt.encode(present, private, algorithm=self.algorithm, headers={"kid": name} | (headers or {}))

    def claims(self, **more: Any) -> Claims:
        """Those of a good ID token for the person, without a nonce."""
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "azp": CLIENT_ID,
            "sub": self.person["sub"],
            "typ": "ID",
            "iat": now,
            "exp": now + 300,
        } | more

    def logout_token(self, **more: Any) -> str:
        """A good one for all sessions of the person; `more` changes claims, None takes one out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_hex(8),
            "typ": "Logout",
            "sub": self.person["sub"],
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        return self.sign(claims | more, headers={"typ": "logout+jwt"})

    def access_token(self, **more: Any) -> str:
        """A good one for the API."""
        return self.sign(self.claims(typ="Bearer", aud=[CLIENT_ID, "account"]) | more)

    def authorize(self, address: str) -> str:
        """What the browser does: open the address that the portal sent it to; gives the one that the provider sends it back to."""
        answer = requests.get(address, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])

    def end_sessions(self) -> None:
        """As an administrator of the provider does, without telling anybody."""
        self.sessions.clear()

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Say nothing until the test is over."""
        self.released.wait(20)
        handler.close_connection = True

    # ── What it answers ─────────────────────────────────────────────────────────────────────────────────────────────
    def describe(self) -> Claims:
        base = f"{self.issuer}/protocol/openid-connect"
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{base}/auth",
            "token_endpoint": f"{base}/token",
            "userinfo_endpoint": f"{base}/userinfo",
            "jwks_uri": f"{base}/certs",
            "end_session_endpoint": f"{base}/logout",
        } | self.document

    def certs(self) -> Claims:
        found = []
        for name in self.published:
            if self.algorithm.startswith("RS"):
                jwk = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
            else:
                jwk = jwt.algorithms.ECAlgorithm.to_jwk(ec_key(name).public_key(), as_dict=True)
            found.append(jwk | {"kid": name, "use": "sig", "alg": self.algorithm})
        return {"keys": found}

    def begin(self, fields: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        back = {"state": fields["state"], "iss": self.issuer}
        if self.authorization_error:
            back |= {"error": self.authorization_error, "error_description": "said the provider"}
        else:
            back["code"] = secrets.token_hex(8)
            self.codes[back["code"]] = fields
        return f"{fields['redirect_uri']}?{urlencode(back)}"

    def trade(self, fields: dict[str, str]) -> tuple[int, Claims]:
        """The token endpoint."""
        if (fields.get("client_id"), fields.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "unauthorized_client", "error_description": "Invalid client credentials"}
        if fields["grant_type"] == "refresh_token":
            return self._refresh(fields["refresh_token"])
        begun = self.codes.pop(fields.get("code", ""), None)
        if begun is None or begun["redirect_uri"] != fields["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": "Code not valid"}
        digest = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if begun.get("code_challenge_method") != "S256" or begun["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant", "error_description": "PKCE verification failed"}
        sid = secrets.token_hex(8)
        self.sessions[sid] = self.person
        return 200, self._grant(sid, begun.get("nonce"))

    def _refresh(self, token: str) -> tuple[int, Claims]:
        sid = self.refresh_tokens.get(token, "")
        if self.rotates and token in self.used:
            self.sessions.pop(sid, None)
        if sid not in self.sessions:
            return 400, {"error": "invalid_grant", "error_description": "Session not active"}
        self.used.add(token)
        return 200, self._grant(sid, None)

    def _grant(self, sid: str, nonce: str | None) -> Claims:
        claims = self.claims(sid=sid, nonce=nonce) | self.id_token_claims
        answer = {
            "id_token": self.forge(claims) if self.forge else self.sign(claims),
            "access_token": self.access_token(sid=sid),
            "token_type": "Bearer",
        }
        if self.gives_refresh_tokens:
            answer["refresh_token"] = token = "planted-refresh-token-" + secrets.token_hex(8)
            self.refresh_tokens[token] = sid
        return answer


def somebody(**more: Any) -> Claims:
    """A person at the provider, as userinfo has them."""
    return {
        "sub": "11111111-aaaa-4000-8000-000000000001",
        "preferred_username": "kim",
        "given_name": "Kim",
        "family_name": "Lee",
        "email": "kim@example.com",
        "email_verified": True,
        "groups": ["/cml/users"],
    } | more


class _Handler(BaseHTTPRequestHandler):
    """Of the class that `providing` makes for each provider."""

    protocol_version = "HTTP/1.1"
    provider: OpenIdProvider

    def handle(self) -> None:
        with suppress(OSError):  # the portal had enough
            super().handle()

    def do_GET(self) -> None:
        self._answer(_flat(urlsplit(self.path).query))

    def do_POST(self) -> None:
        self._answer(_flat(self.rfile.read(int(self.headers["Content-Length"])).decode()))

    def _answer(self, fields: dict[str, str]) -> None:
        provider, path = self.provider, urlsplit(self.path).path
        provider.asked.append((path, fields))
        ending = path.rsplit("/", 1)[-1]
        usual: dict[str, Callable[[], Behaviour]] = {
            "auth": lambda: send_to(provider.begin(fields)),
            "openid-configuration": lambda: say(200, provider.describe()),
            "certs": lambda: say(200, provider.certs()),
            "token": lambda: say(*provider.trade(fields)),
            "userinfo": lambda: say(200, provider.person | provider.userinfo),
        }
        behave = provider.behaviours.get(ending) or usual.get(ending, lambda: say(404, {}))()
        behave(self)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def providing() -> Iterator[OpenIdProvider]:
    """A provider on loopback for the length of a block."""
    provider = OpenIdProvider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": provider}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield provider
    finally:
        provider.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def _flat(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text).items()}


def say(status: int, body: Any) -> Behaviour:
    """Answer so: a dictionary as JSON, text as it is."""
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return behave


def send_to(address: str) -> Behaviour:
    """Redirect there."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", address)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behave


def use(settings: Any, provider: OpenIdProvider) -> None:
    """Sign-in with `provider` is on, its groups /cml/admins, /cml/managers and /cml/users are the roles, and nothing is remembered."""
    settings.OIDC_ISSUER = provider.issuer
    settings.OIDC_RP_CLIENT_ID, settings.OIDC_RP_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    settings.OIDC_API_AUDIENCE, settings.OIDC_API_CLIENTS = CLIENT_ID, [CLIENT_ID]
    settings.OIDC_ROLE_MAP = {"group:/cml/admins": "admin", "group:/cml/managers": "manager", "group:/cml/users": "user"}
    settings.OIDC_TIMEOUT = 1
    forget()


def forget() -> None:
    """Nothing of any provider is remembered in this process."""
    discovery.forget()
    keys.forget()
    renewal.outage = renewal._Outage()


@pytest.fixture
def provider(settings: Any) -> Iterator[OpenIdProvider]:
    """A provider that the portal signs people in with."""
    with providing() as running:
        use(settings, running)
        yield running
    forget()


def begin(browser: Client, provider: OpenIdProvider, wanted: str = "") -> str:
    """Press the button, and sign in at the provider: the address that the browser is sent back to, without the host."""
    pressed = browser.get("/oidc/authenticate/", {"next": wanted} if wanted else {})
    assert pressed.status_code == 302, pressed.content
    back = urlsplit(provider.authorize(pressed["Location"]))
    return f"{back.path}?{back.query}"


def sign_in(browser: Client, provider: OpenIdProvider, wanted: str = "") -> Any:
    """The whole way; gives the callback's answer."""
    return browser.get(begin(browser, provider, wanted))
