"""Sessions go on while the provider says so: roles of now, an end that is noticed, and days on which the provider is away."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ProviderSession, SignIn, User
from accounts.oidc import renewal
from cmlmanager.live.authorize import Credential, judge_all
from tests.openid_provider import OpenIdProvider, provider, say, sign_in, somebody

__all__ = ["provider"]
pytestmark = pytest.mark.django_db
CHANNEL = frozenset({"fleet"})


@pytest.fixture
def browser(provider: OpenIdProvider) -> Client:
    """Signed in as a manager."""
    provider.person = somebody(groups=["/cml/managers"])
    client = Client()
    sign_in(client, provider)
    provider.asked.clear()
    return client


def later(browser: Client, **passed: float) -> None:
    """Let time pass for the session of `browser`; its person was there all the time."""
    by = timedelta(**passed)
    for row in ProviderSession.objects.all():
        ProviderSession.objects.filter(pk=row.pk).update(renewed_at=row.renewed_at - by, renew_at=row.renew_at - by)
    session = browser.session
    session[renewal.STAMP] -= by.total_seconds()
    session.save()


def refreshes(provider: OpenIdProvider) -> int:
    return sum(fields.get("grant_type") == "refresh_token" for _, fields in provider.asked)


def test_a_click_within_the_interval_asks_nobody(browser: Client, provider: OpenIdProvider) -> None:
    later(browser, minutes=4)
    browser.get("/")

    assert provider.asked == []


def test_a_click_after_it_asks_once_and_goes_on_without_a_redirect(browser: Client, provider: OpenIdProvider) -> None:
    later(browser, minutes=6)

    assert browser.get("/").status_code == 200
    assert browser.get("/", headers={"HX-Request": "true"}).status_code == 200
    assert refreshes(provider) == 1


def test_the_role_of_now_counts_for_this_very_click(browser: Client, provider: OpenIdProvider) -> None:
    assert User.objects.get().role == "manager"
    provider.person |= {"groups": [], "family_name": "Park"}
    later(browser, minutes=6)

    assert browser.get("/").status_code == 403

    kim = User.objects.get()
    assert kim.role is None
    assert kim.last_name == "Park"


def test_a_promotion_arrives_too(browser: Client, provider: OpenIdProvider) -> None:
    provider.person["groups"] = ["/cml/admins"]
    later(browser, minutes=6)

    assert browser.get("/admin/").status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_session_that_the_provider_ended_is_over(method: str, browser: Client, provider: OpenIdProvider) -> None:
    provider.end_sessions()
    later(browser, minutes=6)

    answer = getattr(browser, method)("/account/")

    assert answer["Location"] == "/sign-in/?next=" + ("/account/" if method == "get" else "/")
    assert "has ended your session" in browser.get(answer["Location"]).content.decode()
    assert "has ended your session" not in browser.get("/sign-in/").content.decode()  # said once
    assert not SignIn.objects.exists()
    assert not ProviderSession.objects.exists()


def test_htmx_is_sent_to_sign_in_and_back_to_the_page(browser: Client, provider: OpenIdProvider) -> None:
    provider.end_sessions()
    later(browser, minutes=6)

    answer = browser.get("/?q=x", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/labs/?q=ospf"})

    assert answer.status_code == 204
    assert answer["HX-Redirect"] == "/sign-in/?next=/labs/%3Fq%3Dospf"


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ({"userinfo": {"sub": "another"}}, "has ended"),
        ({"id_token_claims": {"sub": "another"}}, "has ended"),
        ({"id_token_claims": {"iss": "https://evil.example"}}, "has ended"),
        ({"userinfo": {"email_verified": False}}, "not verified"),
    ],
)
def test_a_renewal_that_proves_nothing_ends_the_session(
    trouble: dict[str, Any], says: str, browser: Client, provider: OpenIdProvider
) -> None:
    for name, value in trouble.items():
        setattr(provider, name, value)
    later(browser, minutes=6)

    answer = browser.get("/")

    assert answer["Location"].startswith("/sign-in/")
    assert says in browser.get(answer["Location"]).content.decode()


def test_a_person_whom_userinfo_refuses_is_out(browser: Client, provider: OpenIdProvider) -> None:
    provider.behaviours["userinfo"] = say(401, {"error": "invalid_token"})
    later(browser, minutes=6)

    assert browser.get("/")["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("trouble", ["fails", "hangs", "secret"])
def test_a_provider_that_is_away_ends_nobodys_session_and_is_told_once(
    trouble: str, browser: Client, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    if trouble == "secret":
        settings.OIDC_RP_CLIENT_SECRET = "changed"
    else:
        provider.behaviours["token"] = provider.hang if trouble == "hangs" else say(502, "<html>")
    caplog.set_level(logging.INFO, "accounts.oidc")

    for _ in range(3):
        later(browser, minutes=6)
        assert browser.get("/").status_code == 200

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert len(provider.asked) == 1  # and nobody waits for it again for a while
    assert User.objects.get().role == "manager"


def test_the_session_goes_on_as_usual_when_it_is_back(
    browser: Client, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "accounts.oidc")
    provider.behaviours["token"] = say(502, "<html>")
    later(browser, minutes=6)
    browser.get("/")
    del provider.behaviours["token"]
    monkeypatch.setattr(renewal, "_PAUSE", 0.0)
    later(browser, minutes=2)

    assert browser.get("/").status_code == 200

    assert "Sessions are renewed again" in caplog.records[-1].getMessage()
    assert ProviderSession.objects.get().renewed_at > timezone.now() - timedelta(minutes=1)


def test_a_provider_that_stays_away_ends_it_after_the_grace(browser: Client, provider: OpenIdProvider) -> None:
    provider.behaviours["token"] = say(502, "<html>")
    later(browser, minutes=64)
    assert browser.get("/").status_code == 200

    later(browser, minutes=2)

    assert browser.get("/")["Location"].startswith("/sign-in/")


def test_a_stream_that_nobody_confirms_ends_with_the_grace_too(browser: Client) -> None:
    key = browser.session.session_key
    assert judge_all([(Credential(key), CHANNEL)])[0].user_id is not None

    later(browser, minutes=66)

    assert judge_all([(Credential(key), CHANNEL)])[0].user_id is None


def test_a_page_that_slept_over_the_grace_goes_on_if_the_provider_agrees(browser: Client) -> None:
    later(browser, minutes=66)
    assert browser.get("/").status_code == 200


def test_a_session_without_a_refresh_token_ends_with_the_grace(provider: OpenIdProvider) -> None:
    provider.gives_refresh_tokens = False
    browser = Client()
    sign_in(browser, provider)
    later(browser, minutes=30)
    assert browser.get("/").status_code == 200

    later(browser, minutes=36)

    assert browser.get("/")["Location"].startswith("/sign-in/")


def test_tokens_under_a_key_that_is_gone_end_it(browser: Client, settings: Any) -> None:
    from cryptography.fernet import Fernet

    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    later(browser, minutes=6)

    assert browser.get("/")["Location"].startswith("/sign-in/")


def test_somebody_signed_in_with_a_password_is_none_of_its_business(provider: OpenIdProvider, uma: User) -> None:
    browser = Client()
    browser.force_login(uma, backend="accounts.local.backend.LocalBackend")

    assert browser.get("/").status_code == 200
    assert provider.asked == []


def test_a_refresh_token_that_works_once_is_used_once(browser: Client, provider: OpenIdProvider) -> None:
    provider.rotates = True
    for _ in range(3):
        later(browser, minutes=6)
        assert browser.get("/").status_code == 200

    assert refreshes(provider) == 3


@pytest.mark.django_db(transaction=True)
def test_of_requests_that_come_together_one_renews(provider: OpenIdProvider, settings: Any) -> None:
    """While one asks, the others go on: none waits, none uses the token again."""
    provider.rotates = True
    browser = Client()
    sign_in(browser, provider)
    later(browser, minutes=6)
    asked, go_on = threading.Event(), threading.Event()

    def slowly(handler: Any) -> None:
        asked.set()
        assert go_on.wait(10)
        fields = next(fields for path, fields in reversed(provider.asked) if path.endswith("/token"))
        say(*provider.trade(fields))(handler)

    provider.behaviours["token"] = slowly
    provider.asked.clear()
    settings.OIDC_TIMEOUT = 10
    statuses: list[int] = []

    def click() -> None:
        from django.db import connection

        other = Client()
        other.cookies = browser.cookies.copy()
        statuses.append(other.get("/").status_code)
        connection.close()

    first = threading.Thread(target=click)
    first.start()
    assert asked.wait(10)
    for _ in range(3):
        click()
    assert statuses == [200, 200, 200]
    go_on.set()
    first.join(10)

    assert statuses == [200] * 4
    assert refreshes(provider) == 1
    assert browser.get("/").status_code == 200
