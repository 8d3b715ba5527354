"""Signing out on both sides."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.models import ProviderSession, SignIn, User
from cmlmanager.live.authorize import Credential, judge_all
from tests.openid_provider import CLIENT_ID, OpenIdProvider, provider, say, sign_in, somebody

__all__ = ["provider"]
pytestmark = pytest.mark.django_db
ADDRESS = "/oidc/backchannel-logout/"


@pytest.fixture
def browser(provider: OpenIdProvider) -> Client:
    client = Client()
    sign_in(client, provider)
    return client


def is_in(browser: Client) -> bool:
    return browser.get("/account/").status_code == 200


# ── From here to the provider ───────────────────────────────────────────────────────────────────────────────────────
def test_signing_out_here_leads_to_signing_out_there(browser: Client, provider: OpenIdProvider) -> None:
    answer = browser.post("/sign-out/")

    asked = urlsplit(answer["Location"])
    fields = {name: values[0] for name, values in parse_qs(asked.query).items()}
    assert f"{asked.scheme}://{asked.netloc}{asked.path}" == f"{provider.issuer}/protocol/openid-connect/logout"
    assert fields["post_logout_redirect_uri"] == "http://testserver/sign-in/"
    assert fields["client_id"] == CLIENT_ID
    assert fields["id_token_hint"].count(".") == 2
    assert not is_in(browser)
    assert not SignIn.objects.exists()
    assert not ProviderSession.objects.exists()


def test_the_browser_lets_the_form_lead_there(provider: OpenIdProvider) -> None:
    """Browsers hold a form's redirects to form-action too; with the provider off, forms lead nowhere else."""
    from cmlmanager import settings as module

    assert module.OIDC_ORIGINS == []
    policy = Client().get("/sign-in/")["Content-Security-Policy"]
    assert "form-action 'self';" in policy


@pytest.mark.parametrize("trouble", ["hangs", "fails"])
def test_a_provider_that_is_away_holds_nobody_here(trouble: str, browser: Client, provider: OpenIdProvider) -> None:
    provider.behaviours["openid-configuration"] = provider.hang if trouble == "hangs" else say(502, "<html>")

    answer = browser.post("/sign-out/")

    assert not is_in(browser)
    assert "your session there may still be open" in browser.get(answer["Location"]).content.decode()


def test_a_provider_without_such_a_door(browser: Client, provider: OpenIdProvider) -> None:
    provider.document = {"end_session_endpoint": None}
    assert browser.post("/sign-out/")["Location"] == "/sign-in/"
    assert not is_in(browser)


def test_signing_out_everywhere_leads_to_signing_out_there_too(browser: Client, provider: OpenIdProvider) -> None:
    other = Client()
    sign_in(other, provider)

    answer = browser.post("/account/sessions/end/")

    assert answer["Location"].startswith(f"{provider.issuer}/protocol/openid-connect/logout")
    assert "id_token_hint" in answer["Location"]
    assert not is_in(browser)
    assert not is_in(other)


def test_an_id_token_that_can_no_longer_be_read_is_left_out(browser: Client, provider: OpenIdProvider) -> None:
    ProviderSession.objects.update(id_token_encrypted="x")
    answer = browser.post("/sign-out/")
    assert "id_token_hint" not in answer["Location"]
    assert answer["Location"].startswith(provider.issuer)


def test_signing_out_takes_a_form_with_its_token(provider: OpenIdProvider) -> None:
    browser = Client(enforce_csrf_checks=True)
    sign_in(browser, provider)

    assert browser.get("/sign-out/").status_code == 200
    assert browser.post("/sign-out/").status_code == 403
    assert is_in(browser)


def test_local_people_are_not_sent_to_the_provider(provider: OpenIdProvider, uma: User) -> None:
    browser = Client()
    browser.force_login(uma, backend="accounts.local.backend.LocalBackend")
    assert browser.post("/sign-out/")["Location"] == "/sign-in/"


# ── From the provider to here ───────────────────────────────────────────────────────────────────────────────────────
def say_over(token: str) -> Any:
    """As the provider says it: without a cookie, without a CSRF token."""
    return Client(enforce_csrf_checks=True).post(ADDRESS, {"logout_token": token})


def test_all_sessions_of_a_person(browser: Client, provider: OpenIdProvider) -> None:
    other = Client()
    sign_in(other, provider)
    key = browser.session.session_key

    answer = say_over(provider.logout_token())

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert not is_in(browser)
    assert not is_in(other)
    assert judge_all([(Credential(key), frozenset({"fleet"}))])[0].user_id is None  # the stream ends at its next look
    assert not ProviderSession.objects.exists()


def test_one_session_by_its_sid(browser: Client, provider: OpenIdProvider) -> None:
    sid = SignIn.objects.get().sid
    other = Client()
    sign_in(other, provider)

    assert say_over(provider.logout_token(sid=sid, sub=None)).status_code == 200

    assert not is_in(browser)
    assert is_in(other)


def test_nobody_elses(browser: Client, provider: OpenIdProvider) -> None:
    provider.person = somebody(sub="another", preferred_username="lou", email="lou@example.com")
    lou = Client()
    sign_in(lou, provider)

    say_over(provider.logout_token())

    assert is_in(browser)
    assert not is_in(lou)


def test_a_session_of_one_person_is_not_ended_in_the_name_of_another(browser: Client, provider: OpenIdProvider) -> None:
    assert say_over(provider.logout_token(sid=SignIn.objects.get().sid, sub="another")).status_code == 200
    assert is_in(browser)


def test_a_person_who_is_not_here_is_no_error(provider: OpenIdProvider) -> None:
    assert say_over(provider.logout_token(sub="nobody")).status_code == 200


def test_a_logout_token_works_once(browser: Client, provider: OpenIdProvider) -> None:
    token = provider.logout_token()
    assert say_over(token).status_code == 200
    sign_in(browser, provider)

    replayed = say_over(token)

    assert replayed.status_code == 400
    assert replayed["Cache-Control"] == "no-store"
    assert is_in(browser)


@pytest.mark.parametrize("forgery", ["id token", "access token", "another key", "another client", "none"])
def test_what_is_no_logout_token_ends_nothing(forgery: str, browser: Client, provider: OpenIdProvider) -> None:
    token = {
        "id token": provider.sign(provider.claims(jti="x")),
        "access token": provider.access_token(),
        "another key": provider.sign(provider.claims(jti="x"), key="second"),
        "another client": provider.logout_token(aud="another"),
        "none": "",
    }[forgery]

    answer = say_over(token)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert is_in(browser)


def test_keys_that_cannot_be_had_are_no_success(browser: Client, provider: OpenIdProvider) -> None:
    from accounts.oidc import keys

    token = provider.logout_token()
    keys.forget()
    provider.behaviours["certs"] = say(503, {})

    assert say_over(token).status_code == 400


def test_it_is_a_post(provider: OpenIdProvider) -> None:
    assert Client().get(ADDRESS).status_code == 405
