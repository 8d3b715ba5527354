"""Forged tokens, one by one. None of them signs anybody in, and none makes an account."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from django.test import Client

from accounts.models import Identity, User
from accounts.oidc import keys, tokens
from accounts.oidc.errors import ProviderAway, TokenRefused
from tests.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Claims,
    OpenIdProvider,
    provider,
    public_pem,
    rsa_key,
    say,
    sign_in,
    somebody,
)

__all__ = ["provider"]
pytestmark = pytest.mark.django_db


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=").decode()


def with_public_key_as_secret(claims: Claims) -> str:
    """HS256 with the public key as the secret: the classic confusion. By hand, because the library knows better."""
    body = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{_part(claims)}"
    return f"{body}.{_part(hmac.digest(public_pem('first'), body.encode(), hashlib.sha256))}"


def unsigned(claims: Claims) -> str:
    return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': 'first'})}.{_part(claims)}."


Forgery = Callable[[OpenIdProvider, Claims], str]
NOW = time.time
FORGERIES: dict[str, Forgery] = {
    "wrong issuer": lambda p, c: p.sign(c | {"iss": "https://evil.example/realms/test"}),
    "issuer with a slash more": lambda p, c: p.sign(c | {"iss": f"{p.issuer}/"}),
    "no issuer": lambda p, c: p.sign(c | {"iss": None}),
    "wrong audience": lambda p, c: p.sign(c | {"aud": "another-client"}),
    "wrong audiences": lambda p, c: p.sign(c | {"aud": ["account", "another-client"]}),
    "no audience": lambda p, c: p.sign(c | {"aud": None}),
    "wrong authorised party": lambda p, c: p.sign(c | {"azp": "another-client"}),
    "several audiences, no authorised party": lambda p, c: p.sign(c | {"aud": [CLIENT_ID, "another-client"], "azp": None}),
    "a key that is not the provider's": lambda p, c: p.sign(c, key="second"),
    "a foreign key under a good name": lambda p, c: jwt.encode(
        c, rsa_key("second"), algorithm="RS256", headers={"kid": "first"}
    ),
    "no name of a key": lambda p, c: jwt.encode(c, rsa_key("first"), algorithm="RS256"),
    "a key that the token brings along": lambda p, c: jwt.encode(
        c,
        rsa_key("second"),
        algorithm="RS256",
        headers={"kid": "own", "jwk": jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key("second").public_key(), as_dict=True)},
    ),
    "an address of keys that the token brings along": lambda p, c: jwt.encode(
        c, rsa_key("second"), algorithm="RS256", headers={"kid": "own", "jku": "https://evil.example/certs"}
    ),
    "alg none": lambda p, c: unsigned(c),
    "HS256 with the public key": lambda p, c: with_public_key_as_secret(c),
    "HS256 with the client secret": lambda p, c: jwt.encode(c, CLIENT_SECRET * 2, algorithm="HS256", headers={"kid": "first"}),
    "another algorithm of the same key": lambda p, c: jwt.encode(
        c, rsa_key("first"), algorithm="RS512", headers={"kid": "first"}
    ),
    "expired": lambda p, c: p.sign(c | {"iat": int(NOW()) - 400, "exp": int(NOW()) - 60}),
    "no expiry": lambda p, c: p.sign(c | {"exp": None}),
    "not yet valid": lambda p, c: p.sign(c | {"nbf": int(NOW()) + 120}),
    "issued in the future": lambda p, c: p.sign(c | {"iat": int(NOW()) + 120}),
    "no time of issue": lambda p, c: p.sign(c | {"iat": None}),
    "no nonce": lambda p, c: p.sign(c | {"nonce": None}),
    "an empty nonce": lambda p, c: p.sign(c | {"nonce": ""}),
    "wrong nonce": lambda p, c: p.sign(c | {"nonce": "of-another-sign-in"}),
    "no subject": lambda p, c: p.sign(c | {"sub": None}),
    "an empty subject": lambda p, c: p.sign(c | {"sub": ""}),
    "a subject that is no text": lambda p, c: p.sign(c | {"sub": {"a": 1}}),
    "a subject that cannot be stored": lambda p, c: p.sign(c | {"sub": "x\x00y"}),
    "an access token": lambda p, c: p.sign(c | {"typ": "Bearer"}),
    "an access token by its header": lambda p, c: p.sign(c, headers={"typ": "at+jwt"}),
    "a refresh token": lambda p, c: p.sign(c | {"typ": "Refresh"}),
    "a logout token": lambda p, c: p.logout_token(nonce=c["nonce"]),
    "changed after signing": lambda p, c: ".".join(
        [*(token := p.sign(c)).split(".")[:1], _part(c | {"sub": "somebody-else"}), token.split(".")[2]]
    ),
    "no token": lambda p, c: "",
    "no JWT": lambda p, c: "nonsense",
    "five parts": lambda p, c: "e30.e30.e30.e30.e30",
    "far too long": lambda p, c: p.sign(c | {"padding": "x" * 20_000}),
    "a header that is no object": lambda p, c: f"{_part([1])}.{_part(c)}.AAAA",
    "a name of a key that is no text": lambda p, c: f"{_part({'alg': 'RS256', 'kid': {'a': 1}})}.{_part(c)}.AAAA",
    "claims that are no object": lambda p, c: jwt.PyJWS().encode(
        b"[]", rsa_key("first"), algorithm="RS256", headers={"kid": "first"}
    ),
    "text in place of a list of events": lambda p, c: p.sign(c | {"events": "x"}),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_id_token_signs_nobody_in(forgery: str, provider: OpenIdProvider) -> None:
    provider.forge = lambda claims: FORGERIES[forgery](provider, claims)
    browser = Client()

    answer = sign_in(browser, provider)

    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in/?problem=token"
    assert "could not be verified" in browser.get(answer["Location"]).content.decode()
    assert "_auth_user_id" not in browser.session
    assert not User.objects.exists()
    assert not Identity.objects.exists()


def test_a_good_token_does(provider: OpenIdProvider) -> None:
    """What the forgeries differ from."""
    provider.forge = lambda claims: provider.sign(claims | {"aud": [CLIENT_ID, "account"], "nbf": int(time.time()) + 20})
    browser = Client()

    sign_in(browser, provider)

    assert "_auth_user_id" in browser.session


@pytest.mark.parametrize("subject", ["another", "", None])
def test_userinfo_of_another_subject_is_not_believed(subject: str | None, provider: OpenIdProvider) -> None:
    provider.userinfo = {"sub": subject}

    answer = sign_in(Client(), provider)

    assert answer["Location"] == "/sign-in/?problem=token"
    assert not User.objects.exists()


def test_the_id_token_of_somebody_else_does_not_take_their_account(provider: OpenIdProvider) -> None:
    sign_in(Client(), provider)
    victim = provider.person["sub"]
    provider.person = somebody(sub="attacker", preferred_username="mallory", email="mallory@example.com")
    provider.forge = lambda claims: provider.sign(claims | {"sub": victim})
    browser = Client()

    sign_in(browser, provider)

    assert "_auth_user_id" not in browser.session
    assert User.objects.count() == 1


# ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def looks(provider: OpenIdProvider) -> int:
    """How often the keys were asked for."""
    return sum(path.endswith("/certs") for path, _ in provider.asked)


def test_keys_are_asked_for_once(provider: OpenIdProvider) -> None:
    for _ in range(3):
        tokens.verify_access_token(provider.access_token())

    assert looks(provider) == 1


def test_a_key_that_is_new_is_found_at_once(provider: OpenIdProvider) -> None:
    tokens.verify_access_token(provider.access_token())
    provider.published, provider.key = ["second", "first"], "second"

    tokens.verify_access_token(provider.access_token())

    assert looks(provider) == 2


def test_keys_that_nobody_knows_do_not_make_us_ask_again_and_again(provider: OpenIdProvider) -> None:
    tokens.verify_access_token(provider.access_token())
    for number in range(20):
        with pytest.raises(TokenRefused, match="does not publish"):
            tokens.verify_access_token(provider.sign(provider.claims(typ="Bearer"), headers={"kid": f"invented-{number}"}))

    assert looks(provider) == 2


def test_a_key_that_was_taken_back_counts_no_more_after_an_hour(
    provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = provider.access_token()
    tokens.verify_access_token(token)
    provider.published = ["second"]
    clock = time.monotonic() + 3601
    monkeypatch.setattr(keys.time, "monotonic", lambda: clock)

    with pytest.raises(TokenRefused, match="does not publish"):
        tokens.verify_access_token(token)


def test_known_keys_outlive_an_outage_of_the_provider_but_not_for_ever(
    provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens.verify_access_token(provider.access_token())
    provider.behaviours["certs"] = say(503, {})
    start = time.monotonic()

    monkeypatch.setattr(keys.time, "monotonic", lambda: start + 2 * 3600)
    tokens.verify_access_token(provider.access_token())
    monkeypatch.setattr(keys.time, "monotonic", lambda: start + 5 * 3600)
    with pytest.raises(ProviderAway):
        tokens.verify_access_token(provider.access_token())


def test_a_provider_without_keys_is_asked_once_in_a_while(provider: OpenIdProvider) -> None:
    provider.behaviours["certs"] = say(200, {"keys": [{"kty": "RSA"}, "x", {"kty": "odd", "kid": "first"}]})

    for _ in range(5):
        with pytest.raises(ProviderAway, match="no key"):
            tokens.verify_access_token(provider.access_token())

    assert looks(provider) == 1


def test_es256_by_setting(provider: OpenIdProvider, settings: Any) -> None:
    provider.algorithm = "ES256"
    with pytest.raises(TokenRefused, match="not accepted"):
        tokens.verify_access_token(provider.access_token())

    settings.OIDC_SIGN_ALGORITHMS = ["ES256"]

    assert tokens.verify_access_token(provider.access_token())["sub"] == provider.person["sub"]


# ── Access tokens, logout tokens ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"aud": "account"}, "another audience"),
        ({"azp": "another-client"}, "OIDC_API_CLIENTS"),
        ({"azp": None}, "OIDC_API_CLIENTS"),
        ({"typ": "ID"}, "no access token"),
        ({"typ": None}, "no access token"),
        ({"typ": "DPoP"}, "no access token"),
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"exp": None}, "lacks the claim exp"),
        ({"iss": "https://evil.example"}, "another provider"),
        ({"sub": None}, "lacks the claim sub"),
    ],
)
def test_an_access_token_for_others_is_refused(changes: Claims, says: str, provider: OpenIdProvider) -> None:
    with pytest.raises(TokenRefused, match=says):
        tokens.verify_access_token(provider.access_token(**changes))


def test_an_id_token_is_no_access_token(provider: OpenIdProvider) -> None:
    with pytest.raises(TokenRefused):
        tokens.verify_access_token(provider.sign(provider.claims()))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"nonce": "x"}, "nonce"),
        ({"events": None}, "lacks the claim events"),
        ({"events": {}}, "about a logout"),
        ({"events": {"http://schemas.openid.net/event/backchannel-logout": "x"}}, "about a logout"),
        ({"sub": None}, "neither"),
        ({"jti": None}, "lacks the claim jti"),
        ({"jti": ""}, "no good jti"),
        ({"iat": int(time.time()) - 600, "exp": None}, "too old"),
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"iss": "https://evil.example"}, "another provider"),
        ({"aud": "another-client"}, "another audience"),
        ({"typ": "ID"}, "no logout token"),
    ],
)
def test_a_logout_token_that_is_none_is_refused(changes: Claims, says: str, provider: OpenIdProvider) -> None:
    with pytest.raises(TokenRefused, match=says):
        tokens.verify_logout_token(provider.logout_token(**changes), now=datetime.now(UTC))
