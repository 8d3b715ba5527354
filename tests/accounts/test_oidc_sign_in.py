"""Signing in with an OpenID provider: who gets in, as whom, and what somebody is told who does not."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.models import Identity, ProviderSession, SignIn, User
from tests.openid_provider import CALLBACK, OpenIdProvider, begin, provider, say, sign_in, somebody

__all__ = ["provider"]
pytestmark = pytest.mark.django_db


def signed_in_as(browser: Client) -> str | None:
    """Whose session it is, as the database says."""
    pk = browser.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else None


def told(answer: Any, browser: Client) -> str:
    """What the sign-in page says of a callback that failed."""
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/?problem=")
    return browser.get(answer["Location"]).content.decode()


def test_the_page_offers_the_provider_by_its_name(provider: OpenIdProvider, settings: Any) -> None:
    settings.OIDC_NAME = "Company login"

    page = Client().get("/sign-in/?next=/labs/").content.decode()

    assert "Sign in with Company login" in page
    assert 'href="/oidc/authenticate/?next=%2Flabs%2F"' in page


def test_without_an_issuer_there_is_no_such_door() -> None:
    assert "Sign in with" not in Client().get("/sign-in/").content.decode()
    for method, address in (("GET", "authenticate"), ("GET", "callback"), ("POST", "backchannel-logout")):
        assert Client().generic(method, f"/oidc/{address}/").status_code == 404


def test_the_provider_is_asked_with_state_nonce_and_pkce(provider: OpenIdProvider) -> None:
    asked = urlsplit(Client().get("/oidc/authenticate/")["Location"])
    fields = {name: values[0] for name, values in parse_qs(asked.query).items()}

    assert f"{asked.scheme}://{asked.netloc}" == provider.url
    assert fields["response_type"] == "code"
    assert fields["scope"].split() == ["openid", "profile", "email"]
    assert fields["redirect_uri"] == f"http://testserver{CALLBACK}"
    assert fields["code_challenge_method"] == "S256"
    assert len(fields["state"]) >= 32
    assert len(fields["nonce"]) >= 32


def test_somebody_new_gets_an_account_and_their_role(provider: OpenIdProvider) -> None:
    provider.person = somebody(groups=["/cml/managers", "/sales"])
    browser = Client()

    answer = sign_in(browser, provider, "/labs/?q=ospf")

    assert answer["Location"] == "/labs/?q=ospf"
    assert browser.get("/").status_code == 200
    kim = User.objects.get()
    assert (kim.username, kim.first_name, kim.last_name, kim.email, kim.role) == (
        "kim",
        "Kim",
        "Lee",
        "kim@example.com",
        "manager",
    )
    assert not kim.has_usable_password()
    assert not kim.is_staff
    assert not kim.is_superuser
    identity = Identity.objects.get()
    assert (identity.issuer, identity.subject, identity.user) == (provider.issuer, provider.person["sub"], kim)


def test_the_session_is_kept_with_the_providers_names_and_without_its_tokens(provider: OpenIdProvider) -> None:
    browser = Client()
    sign_in(browser, provider)

    row = SignIn.objects.get()
    assert (row.method, row.issuer, row.subject) == ("keycloak", provider.issuer, provider.person["sub"])
    assert row.sid in provider.sessions
    everything = f"{dict(browser.session.items())} {ProviderSession.objects.values()}"
    assert "planted-refresh-token" not in everything
    assert "eyJ" not in everything


def test_the_second_sign_in_is_the_same_account_with_name_and_address_of_now(provider: OpenIdProvider) -> None:
    sign_in(Client(), provider)
    provider.person |= {"preferred_username": "kim.new", "family_name": "Park", "email": "kim.park@example.com"}

    sign_in(Client(), provider)

    kim = User.objects.get()
    assert (kim.username, kim.last_name, kim.email) == ("kim", "Park", "kim.park@example.com")


def test_a_username_that_somebody_has_leads_to_nobody_elses_account(provider: OpenIdProvider) -> None:
    admin = User.objects.create_superuser("Admin", "root@example.com", "a-good-long-password")
    provider.person = somebody(preferred_username="admin")
    browser = Client()

    sign_in(browser, provider)

    assert signed_in_as(browser) == "admin-2"
    assert not Identity.objects.filter(user=admin).exists()


def test_a_username_is_made_of_what_usernames_may_have(provider: OpenIdProvider) -> None:
    provider.person = somebody(preferred_username="kim\x00 <lee>/x", given_name="K\x00im\n")
    browser = Client()

    sign_in(browser, provider)

    assert signed_in_as(browser) == "kim--lee--x"
    assert User.objects.get().first_name == "K im"


def test_another_subject_with_a_known_address_is_nobody(provider: OpenIdProvider) -> None:
    ada = User.objects.create_user("ada", "Kim@Example.com")
    browser = Client()

    answer = sign_in(browser, provider)

    assert "has your e-mail address already" in told(answer, browser)
    assert signed_in_as(browser) is None
    assert list(User.objects.all()) == [ada]
    assert not Identity.objects.exists()


def test_two_subjects_are_two_people_whatever_they_are_called(provider: OpenIdProvider) -> None:
    sign_in(Client(), provider)
    provider.person = somebody(sub="another", email="other@example.com")
    browser = Client()

    sign_in(browser, provider)

    assert signed_in_as(browser) == "kim-2"


def test_the_same_subject_of_another_issuer_is_another_person(provider: OpenIdProvider) -> None:
    uma = User.objects.create_user("uma", "uma@example.com")
    Identity.objects.create(
        issuer="https://elsewhere.example", subject=provider.person["sub"], user=uma, linked_at="2026-01-01T00:00Z"
    )
    browser = Client()

    sign_in(browser, provider)

    assert signed_in_as(browser) == "kim"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"email_verified": False}, "not verified"),
        ({"email_verified": "true"}, "not verified"),
        ({"email_verified": None}, "not verified"),
        ({"email": None}, "too little"),
        ({"email": "no address"}, "too little"),
        ({"email": "x@example.com\r\nBcc: y@example.com"}, "too little"),
        ({"preferred_username": ""}, "too little"),
        ({"preferred_username": ["kim"]}, "too little"),
    ],
)
def test_who_is_not_described_well_enough_is_not_let_in(changes: dict[str, Any], says: str, provider: OpenIdProvider) -> None:
    provider.person = somebody(**changes)
    browser = Client()

    answer = sign_in(browser, provider)

    assert says in told(answer, browser)
    assert not User.objects.exists()


def test_an_address_that_need_not_be_verified_is_left_out_when_it_is_not(provider: OpenIdProvider, settings: Any) -> None:
    settings.OIDC_REQUIRE_VERIFIED_EMAIL = False
    provider.person = somebody(email_verified=False)
    browser = Client()

    sign_in(browser, provider)

    assert signed_in_as(browser) == "kim"
    assert User.objects.get().email == ""


def test_an_account_that_is_switched_off_stays_out(provider: OpenIdProvider) -> None:
    sign_in(Client(), provider)
    User.objects.update(is_active=False)
    browser = Client()

    assert "switched off" in told(sign_in(browser, provider), browser)
    assert signed_in_as(browser) is None


def test_an_account_that_is_switched_off_is_out_at_once(provider: OpenIdProvider) -> None:
    browser = Client()
    sign_in(browser, provider)

    User.objects.update(is_active=False)

    assert browser.get("/")["Location"].startswith("/sign-in/")


def test_people_of_the_provider_are_out_when_it_is_switched_off(provider: OpenIdProvider, settings: Any) -> None:
    browser = Client()
    sign_in(browser, provider)

    settings.OIDC_ISSUER = ""

    assert browser.get("/")["Location"].startswith("/sign-in/")


@pytest.mark.parametrize(
    ("error", "says"),
    [("access_denied", "did not sign in"), ("server_error", "refused the sign-in"), ("<script>", "refused the sign-in")],
)
def test_what_the_provider_answers_instead_of_a_code_is_told(error: str, says: str, provider: OpenIdProvider) -> None:
    provider.authorization_error = error
    browser = Client()

    page = told(sign_in(browser, provider, "/labs/"), browser)

    assert says in page
    assert "next=%2Flabs%2F" in page  # the way goes on
    assert "<script>" not in page.replace("<script src", "")


def test_a_state_of_another_browser_is_refused(provider: OpenIdProvider) -> None:
    address = begin(Client(), provider)
    browser = Client()

    assert "begun in another browser" in told(browser.get(address), browser)
    assert not User.objects.exists()


def test_a_state_works_once(provider: OpenIdProvider) -> None:
    browser = Client()
    address = begin(browser, provider)
    browser.get(address)
    browser.post("/sign-out/")

    assert "begun in another browser" in told(browser.get(address), browser)


def test_a_state_does_not_last_for_ever(provider: OpenIdProvider) -> None:
    browser = Client()
    address = begin(browser, provider)
    session = browser.session
    for begun in session["oidc_states"].values():
        begun["added_on"] -= 3601
    session.save()

    assert "took too long" in told(browser.get(address), browser)


def test_the_back_button_after_sign_in_leads_on(provider: OpenIdProvider) -> None:
    browser = Client()
    address = begin(browser, provider)
    browser.get(address)

    assert browser.get(address)["Location"] == "/"


def test_nobody_is_signed_out_by_an_error_that_somebody_else_wrote(provider: OpenIdProvider) -> None:
    browser = Client()
    sign_in(browser, provider)

    browser.get(f"{CALLBACK}?error=access_denied&state=invented")

    assert signed_in_as(browser) == "kim"


def test_an_answer_of_another_provider_is_refused(provider: OpenIdProvider) -> None:
    browser = Client()
    address = begin(browser, provider).replace("&iss=http%3A%2F%2F", "&iss=https%3A%2F%2F")

    assert "could not be verified" in told(browser.get(address), browser)


def test_two_tabs_each_come_to_their_own_page(provider: OpenIdProvider) -> None:
    browser = Client()
    first, second = begin(browser, provider, "/labs/"), begin(browser, provider, "/alerts/")

    assert browser.get(second)["Location"] == "/alerts/"
    assert browser.get(first)["Location"] == "/labs/"


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site(wanted: str, provider: OpenIdProvider) -> None:
    assert sign_in(Client(), provider, wanted)["Location"] == "/"


def test_the_session_key_is_a_new_one(provider: OpenIdProvider) -> None:
    browser = Client()
    address = begin(browser, provider)
    before = browser.session.session_key

    browser.get(address)

    assert browser.session.session_key not in (None, before)
    assert not type(browser.session).get_model_class().objects.filter(session_key=before).exists()


def test_another_persons_session_does_not_survive_in_the_browser(provider: OpenIdProvider, uma: User) -> None:
    browser = Client()
    browser.force_login(uma, backend="accounts.local.backend.LocalBackend")
    session = browser.session
    session["hers"] = "secret"
    session.save()

    sign_in(browser, provider)

    assert signed_in_as(browser) == "kim"
    assert "hers" not in browser.session


def test_a_password_is_no_way_into_the_code_flow(provider: OpenIdProvider) -> None:
    """The library's backend would take any code and no nonce from the query of the local form."""
    code = parse_qs(urlsplit(begin(Client(), provider)).query)["code"][0]
    browser = Client()

    browser.post(f"/sign-in/?code={code}&state=x", {"login": "kim", "password": "anything"})

    assert signed_in_as(browser) is None


def test_the_django_admin_goes_the_same_way(provider: OpenIdProvider) -> None:
    provider.person = somebody(groups=["/cml/admins"])
    browser = Client()
    asked = browser.get("/admin/", follow=True)
    assert asked.redirect_chain[-1][0].startswith("/sign-in/")
    wanted = parse_qs(urlsplit(asked.redirect_chain[-1][0]).query)["next"][0]

    arrived = browser.get(sign_in(browser, provider, wanted)["Location"], follow=True)

    assert arrived.redirect_chain[-1][0] == "/admin/"
    assert arrived.status_code == 200
    assert User.objects.get().is_staff
    assert not User.objects.get().is_superuser


def test_each_refusal_is_one_line_in_the_log_without_a_token(
    provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.id_token_claims = {"aud": "somebody-else"}
    caplog.set_level(logging.WARNING)

    sign_in(Client(), provider)

    assert len(caplog.records) == 1
    line = caplog.records[0].getMessage()
    assert "another audience" in line
    assert "127.0.0.1" in line
    assert "eyJ" not in line


# ── The provider on bad days ────────────────────────────────────────────────────────────────────────────────────────
GARBAGE = ["<html>Bad gateway</html>", "[]", '{"keys"', "null", "[" * 5000]


@pytest.mark.parametrize("place", ["token", "userinfo", "certs"])
@pytest.mark.parametrize("trouble", ["hangs", "fails", "talks garbage", "talks without end"])
def test_a_provider_in_trouble_is_a_sentence(place: str, trouble: str, provider: OpenIdProvider) -> None:
    provider.behaviours[place] = {
        "hangs": provider.hang,
        "fails": say(503, {"error": "temporarily_unavailable"}),
        "talks garbage": say(200, "<html>Bad gateway</html>"),
        "talks without end": say(200, '{"a": "' + "x" * 2_000_000 + '"}'),
    }[trouble]
    browser = Client()

    page = told(sign_in(browser, provider), browser)

    assert ("took too long" if trouble == "hangs" else "cannot be reached") in page
    assert not User.objects.exists()


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_description_that_makes_no_sense_is_a_sentence(garbage: str, provider: OpenIdProvider) -> None:
    provider.behaviours["openid-configuration"] = say(200, garbage)
    browser = Client()

    assert "cannot be reached" in told(browser.get("/oidc/authenticate/"), browser)


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_a_description_of_another_provider_is_not_believed(document: dict[str, Any], provider: OpenIdProvider) -> None:
    provider.document = document
    browser = Client()

    assert "cannot be reached" in told(browser.get("/oidc/authenticate/"), browser)


def test_a_provider_that_is_away_is_a_sentence_and_comes_back(provider: OpenIdProvider, settings: Any) -> None:
    from tests.openid_provider import use

    settings.OIDC_ISSUER = "http://127.0.0.1:9/realms/test"
    browser = Client()
    assert "cannot be reached" in told(browser.get("/oidc/authenticate/?next=/labs/"), browser)

    use(settings, provider)

    assert sign_in(browser, provider, "/labs/")["Location"] == "/labs/"


def test_a_description_once_read_outlives_the_provider(provider: OpenIdProvider) -> None:
    from accounts.oidc import discovery

    known = discovery.provider()
    provider.behaviours["openid-configuration"] = say(503, {})

    assert discovery.provider() == known
    asked = sum(path.endswith("openid-configuration") for path, _ in provider.asked)
    assert asked == 1


def test_calls_from_here_go_to_the_internal_address_and_browsers_to_the_public_one(
    provider: OpenIdProvider, settings: Any
) -> None:
    internal = provider.url
    provider.url = "https://sso.example.com"  # as its tokens and its description have it
    settings.OIDC_ISSUER, settings.OIDC_INTERNAL_URL = provider.issuer, internal
    browser = Client()

    asked = browser.get("/oidc/authenticate/")["Location"]
    assert asked.startswith("https://sso.example.com/realms/test/protocol/openid-connect/auth?")
    back = urlsplit(provider.authorize(asked.replace("https://sso.example.com", internal)))
    browser.get(f"{back.path}?{back.query}")

    assert signed_in_as(browser) == "kim"
    assert Identity.objects.get().issuer == "https://sso.example.com/realms/test"


def test_a_code_that_was_used_is_a_sentence(provider: OpenIdProvider) -> None:
    browser = Client()
    address = begin(browser, provider)
    provider.codes.clear()

    assert "took too long" in told(browser.get(address), browser)


def test_a_wrong_client_secret_is_a_sentence_and_named_in_the_log(
    provider: OpenIdProvider, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.OIDC_RP_CLIENT_SECRET = "wrong"
    browser = Client()

    assert "refused the sign-in" in told(sign_in(browser, provider), browser)
    assert "Invalid client credentials" in caplog.text
    assert "wrong" not in caplog.text
