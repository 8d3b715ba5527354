"""manage.py check_oidc against a small provider; tests/keycloak has it look at a real Keycloak."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.openid_provider import OpenIdProvider, provider, say

__all__ = ["provider"]

KEYCLOAKS = {
    "code_challenge_methods_supported": ["plain", "S256"],
    "scopes_supported": ["openid", "profile", "email", "offline_access"],
    "claims_supported": ["sub", "iss", "email", "preferred_username"],
    "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    "backchannel_logout_supported": True,
}
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(provider: OpenIdProvider, settings: Any) -> Run:
    """Runs the command; its exit status and what it wrote. The provider describes itself as Keycloak does."""
    settings.PORTAL_URL = "http://testserver"
    provider.document = dict(KEYCLOAKS)

    def run_command(*arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        try:
            call_command("check_oidc", *arguments, stdout=out)
        except CommandError as error:
            return error.returncode, f"{out.getvalue()}{error}"
        return 0, out.getvalue()

    return run_command


def states(answer: tuple[int, str]) -> dict[str, str]:
    return {found["name"]: found["state"] for found in json.loads(answer[1].rpartition("}")[0] + "}")["findings"]}


def test_without_keycloak_it_says_so_and_ends_with_2(settings: Any) -> None:
    settings.OIDC_ISSUER = ""
    with pytest.raises(CommandError, match="OIDC_ISSUER is not set") as error:
        call_command("check_oidc")
    assert error.value.returncode == 2


def test_a_good_answer_is_said_in_words_and_as_json(run: Run, provider: OpenIdProvider) -> None:
    status, words = run()
    assert provider.issuer in words
    assert "ok       It publishes a key for RS256." in words
    assert "ok       It knows the client 'portal' and its secret." in words
    document = json.loads(run("--json")[1].rpartition("}")[0] + "}")
    assert document["issuer"] == provider.issuer
    assert all(set(found) == {"name", "state", "sentence", "advice"} for found in document["findings"])
    # It takes any redirect address, as Keycloak with a wildcard does.
    assert status == 1
    assert "It sends codes to any address" in words


@pytest.mark.parametrize(
    ("document", "name", "state"),
    [
        ({"issuer": "https://elsewhere.example.com"}, "issuer", "problem"),
        ({"token_endpoint": None}, "endpoints", "problem"),
        ({"end_session_endpoint": None}, "sign_out", "warning"),
        ({"backchannel_logout_supported": False}, "backchannel", "warning"),
        ({"code_challenge_methods_supported": ["plain"]}, "pkce", "problem"),
        ({"scopes_supported": ["openid"]}, "scopes", "problem"),
        ({"claims_supported": ["sub"]}, "claims", "warning"),
        ({"id_token_signing_alg_values_supported": ["HS256"]}, "algorithms", "problem"),
        ({"code_challenge_methods_supported": "S256", "scopes_supported": {"a": 1}}, "pkce", "problem"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_the_description_says_is_judged(
    document: dict[str, Any], name: str, state: str, run: Run, provider: OpenIdProvider
) -> None:
    provider.document |= document
    assert states(run("--json"))[name] == state


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{}", '{"issuer": 5}', "null"])
def test_a_description_that_is_none_is_a_sentence(body: str, run: Run, provider: OpenIdProvider) -> None:
    provider.behaviours["openid-configuration"] = say(200, body)
    status, words = run()
    assert status == 1
    assert "PROBLEM" in words


@pytest.mark.parametrize("ending", ["openid-configuration", "certs", "token", "auth"])
def test_a_provider_that_hangs_is_a_sentence(ending: str, run: Run, provider: OpenIdProvider, settings: Any) -> None:
    settings.OIDC_TIMEOUT = 0.2
    provider.behaviours[ending] = provider.hang
    assert "No answer came within 0.2 seconds" in run()[1]


def test_a_provider_that_is_away_is_a_sentence(run: Run, settings: Any) -> None:
    settings.OIDC_ISSUER = "http://127.0.0.1:9/realms/cml"
    status, words = run()
    assert status == 1
    assert "cannot be reached. No connection: the connection was refused." in words


@pytest.mark.parametrize(("published", "expected"), [({"keys": []}, "problem"), ({"keys": "x"}, "problem"), ([], "problem")])
def test_keys_that_are_none_are_a_problem(published: Any, expected: str, run: Run, provider: OpenIdProvider) -> None:
    provider.behaviours["certs"] = say(200, json.dumps(published))
    assert states(run("--json"))["keys"] == expected


def test_a_wrong_secret_is_a_problem_and_is_not_shown(run: Run, settings: Any) -> None:
    settings.OIDC_RP_CLIENT_SECRET = "planted-wrong-secret"
    status, words = run()
    assert status == 1
    assert "refuses its secret" in words
    assert "planted-wrong-secret" not in words


def test_the_right_secret_is_never_shown_either(run: Run, settings: Any) -> None:
    for arguments in ((), ("--json",)):
        assert settings.OIDC_RP_CLIENT_SECRET not in run(*arguments)[1]


@pytest.mark.parametrize(("ahead", "state"), [(0, "ok"), (15, "warning"), (-120, "problem")])
def test_a_clock_that_goes_wrong_is_seen(ahead: int, state: str, run: Run, provider: OpenIdProvider) -> None:
    def describe(handler: Any) -> None:
        content = json.dumps(provider.describe()).encode()
        handler.send_response_only(200)  # without the Date of the library
        handler.send_header("Date", formatdate(time.time() + ahead, usegmt=True))
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    provider.behaviours["openid-configuration"] = describe
    assert states(run("--json"))["clock"] == state


@pytest.mark.parametrize(
    ("role_map", "default", "state"),
    [
        ({"group:/cml/admins": "admin"}, "none", "ok"),
        ({"group:/cml/users": "user"}, "none", "warning"),
        ({}, "none", "warning"),
        ({}, "user", "ok"),
        ({"/cml/admins": "admin"}, "none", "problem"),
        ({"group:/cml/admins": "root"}, "none", "problem"),
        ({"group:/cml//admins": "admin"}, "none", "problem"),
        ({"group:/cml/admins/": "admin"}, "none", "problem"),
        ({"realm: cml-admin": "admin"}, "none", "problem"),
    ],
)
def test_a_role_map_that_cannot_work_is_named(
    role_map: dict[str, str], default: str, state: str, run: Run, settings: Any
) -> None:
    settings.OIDC_ROLE_MAP, settings.OIDC_DEFAULT_ROLE = role_map, default
    assert states(run("--json"))["role_map"] == state


def test_without_the_portals_address_what_needs_it_is_not_guessed(run: Run, settings: Any) -> None:
    settings.PORTAL_URL = ""
    assert states(run("--json"))["redirect"] == "unknown"
    assert states(run("--json", "--portal-url", "http://testserver"))["redirect"] == "ok"


@pytest.mark.parametrize(
    ("claims", "token", "role", "words"),
    [
        ({"groups": ["/cml/managers"]}, "ok", "ok", "that is the role manager"),
        ({"groups": ["/sales"]}, "ok", "warning", "that is no role"),
        ({}, "ok", "warning", "It has no 'groups'"),
        ({"aud": "account", "groups": ["/cml/users"]}, "problem", "ok", "another audience"),
        ({"exp": 1}, "problem", "warning", "has expired"),
    ],
)
def test_a_token_is_explained(
    claims: dict[str, Any],
    token: str,
    role: str,
    words: str,
    run: Run,
    provider: OpenIdProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = provider.access_token(**claims)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{raw}\n"))
    answer = run("--token", "--json")
    assert (states(answer)["token"], states(answer)["token_role"]) == (token, role)
    assert words in answer[1]
    assert raw not in answer[1]


@pytest.mark.parametrize("raw", ["", "nonsense", "a.b.c", "e30.W10.x"])
def test_what_is_no_token_is_said(raw: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(raw))
    status, words = run("--token")
    assert status == 1
    assert "no JWT" in words or "there was none" in words
