"""check_oidc against a realm that is right, and against the same realm broken in the ways that operators break theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from accounts.realm import report
from accounts.realm.finding import Finding, State, worst
from accounts.realm.setup import Setup
from tests.keycloak import guide
from tests.keycloak.administration import Administration
from tests.keycloak.server import Keycloak

pytestmark = pytest.mark.keycloak

Check = Callable[..., dict[str, Finding]]


@pytest.fixture
def check(keycloak: Keycloak) -> Check:
    """Findings by name, with the settings of the shipped realm or some of them changed."""
    good = Setup(
        issuer=keycloak.issuer,
        internal_origin=keycloak.internal_url,
        client_id="cmlmanager",
        client_secret=keycloak.client_secret,
        scopes="openid profile email",
        algorithms=("RS256",),
        role_map=json.loads(guide.settings()["OIDC_ROLE_MAP"]),
        default_role="none",
        groups_claim="groups",
        api_audience="cmlmanager-api",
        api_clients=("cmlmanager-api",),
        portal_url=keycloak.portal_url,
        callback_path="/oidc/callback/",
        signed_out_path="/sign-in/",
        backchannel_path="/oidc/backchannel-logout/",
        timeout=20,
    )

    def run(**changed: object) -> dict[str, Finding]:
        findings = report.check(replace(good, **changed), now=datetime.now(UTC))  # type: ignore[arg-type]
        assert len({found.name for found in findings}) == len(findings)
        assert all(found.advice for found in findings if found.state in (State.PROBLEM, State.WARNING))
        return {found.name: found for found in findings}

    return run


def wrong(findings: dict[str, Finding]) -> dict[str, State]:
    return {name: found.state for name, found in findings.items() if found.state in (State.PROBLEM, State.WARNING)}


@contextmanager
def changed_client(administration: Administration, client_id: str = "cmlmanager", **fields: object) -> Iterator[None]:
    before = administration.client(client_id)
    administration.change_client(client_id, **fields)
    try:
        yield
    finally:
        administration.call("PUT", f"clients/{before['id']}", before)


def test_the_shipped_realm_is_right(check: Check) -> None:
    findings = check()
    assert wrong(findings) == {}
    assert worst(findings.values()) is State.OK
    # What nobody can see from outside is said, with what to look at.
    assert {name for name, found in findings.items() if found.state is State.UNKNOWN} == {"clock", "backchannel_url", "groups"}


@pytest.mark.parametrize(
    ("fields", "expected", "advice"),
    [
        ({"directAccessGrantsEnabled": True}, {"direct_grants": State.PROBLEM}, "Switch off “Direct access grants”"),
        ({"implicitFlowEnabled": True}, {"implicit": State.WARNING}, "Switch off “Implicit flow”"),
        ({"attributes": {"pkce.code.challenge.method": ""}}, {"pkce_required": State.WARNING}, "Choose S256"),
        (
            {"attributes": {"post.logout.redirect.uris": ""}},
            {"post_logout": State.PROBLEM},
            "“Valid post logout redirect URIs”",
        ),
        ({"redirectUris": ["http://other.example.com/*"]}, {"redirect": State.PROBLEM}, "exactly http://127.0.0.1"),
        ({"redirectUris": ["*"]}, {"redirect_exact": State.PROBLEM}, "leave exactly"),
        ({"standardFlowEnabled": False}, {"redirect": State.PROBLEM}, "Switch on “Standard flow”"),
        ({"publicClient": True}, {"secret": State.PROBLEM}, "Switch on “Client authentication”"),
        ({"secret": "${OIDC_CLIENT_SECRET}"}, {"secret": State.PROBLEM}, "Copy the client secret"),
        ({"enabled": False}, {"secret": State.PROBLEM, "redirect": State.PROBLEM}, "is it enabled"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_client_that_was_set_up_wrong(
    fields: dict[str, object], expected: dict[str, State], advice: str, check: Check, administration: Administration
) -> None:
    with changed_client(administration, **fields):
        findings = check()
    assert wrong(findings) == expected
    assert advice in findings[next(iter(expected))].advice


def test_addresses_that_end_in_a_wildcard(check: Check, administration: Administration, keycloak: Keycloak) -> None:
    with changed_client(administration, redirectUris=[f"{keycloak.portal_url}/*"]):
        assert wrong(check()) == {"redirect_exact": State.WARNING}


def test_a_realm_that_was_imported_without_its_secret(check: Check, administration: Administration) -> None:
    """The placeholder is public, so whoever has it set as secret, knowingly or not, has none."""
    with changed_client(administration, secret="${OIDC_CLIENT_SECRET}"):
        findings = check(client_secret="${OIDC_CLIENT_SECRET}")
    assert "which everybody knows" in findings["secret"].sentence


@pytest.mark.parametrize(
    ("changed", "expected", "advice"),
    [
        ({"client_secret": "wrong"}, {"secret"}, "Copy the client secret"),
        ({"client_secret": ""}, {"secret"}, "Credentials"),
        ({"client_id": "nobody"}, {"secret", "redirect"}, "is it enabled"),
        ({"portal_url": "https://elsewhere.example.com"}, {"redirect"}, "https://elsewhere.example.com/oidc/callback/"),
        ({"scopes": "openid profile fancy"}, {"scopes", "redirect"}, "Client scopes"),
        ({"algorithms": ("ES256",)}, {"keys"}, "OIDC_SIGN_ALGORITHM"),
        ({"internal_origin": "http://127.0.0.1:9"}, {"internal"}, "OIDC_INTERNAL_URL"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_settings_that_do_not_fit_the_realm(changed: dict[str, object], expected: set[str], advice: str, check: Check) -> None:
    findings = check(**changed)
    assert set(wrong(findings)) == expected
    assert advice in findings[sorted(expected)[-1]].advice


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/realms/CML", "with its capital letters"),
        ("/auth/realms/cml", "Set OIDC_ISSUER to"),
        ("/cml", "/realms/"),
        ("/realms/cml/", "Leave it out"),
    ],
)
def test_an_issuer_that_is_not_quite_the_realm(path: str, advice: str, check: Check, keycloak: Keycloak) -> None:
    findings = check(issuer=keycloak.url + path)
    assert findings["discovery"].state is State.PROBLEM
    assert advice in " ".join(found.advice for found in findings.values())


def test_a_realm_that_is_called_otherwise(check: Check, keycloak: Keycloak) -> None:
    """Keycloak has one name for itself, whatever it was called by."""
    findings = check(issuer=keycloak.internal_issuer, internal_origin="")
    assert wrong(findings) == {"issuer": State.PROBLEM}
    assert f"OIDC_ISSUER={keycloak.issuer}" in findings["issuer"].advice


def test_a_portal_that_reaches_the_realm_only_from_inside(check: Check, administration: Administration) -> None:
    """Behind split DNS: the public name leads nowhere from here, and everything is asked at the internal address."""
    findings = check(issuer="https://keycloak.invalid/realms/cml")
    assert findings["discovery"].state is State.WARNING
    assert findings["issuer"].state is State.PROBLEM  # it is another realm's name
    assert findings["secret"].state is findings["redirect"].state is State.OK


def test_a_disabled_realm(check: Check, administration: Administration) -> None:
    administration.change_realm(enabled=False)
    try:
        findings = check()
    finally:
        administration.change_realm(enabled=True)
    assert wrong(findings) == {"redirect": State.PROBLEM}  # it still describes itself
    assert "Is the realm itself enabled?" in findings["redirect"].advice


def test_the_check_leaves_no_trace_but_refusals(check: Check, administration: Administration) -> None:
    people = administration.call("GET", "users/count")
    client = administration.client()
    check()
    assert administration.call("GET", "users/count") == people
    assert administration.client() == client


def test_the_placeholder_is_the_one_of_the_realm_file() -> None:
    from accounts.realm.client import UNFILLED

    assert f'"secret": "{UNFILLED}"' in (guide.ROOT / "deploy" / "keycloak" / "cml-realm.json").read_text()
