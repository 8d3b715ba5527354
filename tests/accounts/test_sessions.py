"""Sessions: a row each, ended by their person, by an operator, by time, by a new password; kept alive by what a person does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.access import UNATTENDED
from accounts.choices import AccountEvent
from accounts.models import SignIn, User
from accounts.services import sessions
from accounts.signals import account_event
from accounts.tasks import prune_sessions
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db
PASSWORD = "a-good-long-password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What the audit would be told."""
    heard: list[dict[str, Any]] = []

    def hear(sender: Any, **news: Any) -> None:
        heard.append(news)

    account_event.connect(hear)
    yield heard
    account_event.disconnect(hear)


def kinds(told: list[dict[str, Any]]) -> list[str]:
    return [str(news["kind"].value) for news in told]


def sign_in_by_form(person: User, password: str = PASSWORD, **headers: str) -> Client:
    person.set_password(PASSWORD)
    person.save()
    browser = Client(headers=headers or None)
    browser.post("/sign-in/", {"login": person.username, "password": password})
    return browser


def is_in(browser: Client) -> bool:
    return browser.get("/account/").status_code == 200


def age_by(**span: float) -> None:
    """As if the newest session had begun and been used so much earlier."""
    sign_in = SignIn.objects.latest("started_at")
    SignIn.objects.filter(pk=sign_in.pk).update(
        started_at=sign_in.started_at - timedelta(**span), last_seen_at=sign_in.last_seen_at - timedelta(**span)
    )


def test_a_sign_in_is_a_row_that_says_when_where_and_how(uma: User, told: list[dict[str, Any]]) -> None:
    browser = sign_in_by_form(uma, **{"User-Agent": FIREFOX})

    sign_in = SignIn.objects.get()
    assert (sign_in.user, sign_in.method, sign_in.address) == (uma, "local", "127.0.0.1")
    page = browser.get("/account/sessions/").content.decode()
    assert "Firefox 128 on Linux" in page
    assert "This one" in page
    assert kinds(told) == ["signed_in"]
    assert told[0]["address"] == "127.0.0.1"


def test_nothing_in_the_table_opens_a_session(uma: User) -> None:
    browser = signed_in(uma)
    values = " ".join(str(value) for value in SignIn.objects.values().get().values())
    assert browser.session.session_key not in values


def test_a_failed_sign_in_is_told_without_what_was_typed(uma: User, told: list[dict[str, Any]]) -> None:
    sign_in_by_form(uma, "wrong-password")
    Client().post("/sign-in/", {"login": "my-secret-typed-here", "password": "x"})

    assert kinds(told) == ["sign_in_failed", "sign_in_failed"]
    assert [news["user"] for news in told] == [uma, None]
    assert "my-secret" not in repr([{k: v for k, v in news.items() if k != "signal"} for news in told])


def test_an_ended_session_is_nobodys_at_its_next_request(uma: User, told: list[dict[str, Any]]) -> None:
    here, there = signed_in(uma), signed_in(uma)
    other = SignIn.objects.exclude(pk=here.session["sign_in"]).get()

    answer = here.post(f"/account/sessions/{other.pk}/end/")

    assert answer["Location"] == "/account/sessions/"
    assert is_in(here)
    assert there.get("/account/")["Location"].startswith("/sign-in/")
    assert kinds(told)[-1] == "sessions_ended"
    assert (told[-1]["user"], told[-1]["by"]) == (uma, uma)


def test_nobody_ends_somebody_elses_session(uma: User, miguel: User) -> None:
    mine, theirs = signed_in(uma), signed_in(miguel)
    mine.post(f"/account/sessions/{theirs.session['sign_in']}/end/")
    assert is_in(theirs)


def test_sign_me_out_everywhere_ends_this_one_too(uma: User) -> None:
    browsers = [signed_in(uma) for _ in range(3)]
    answer = browsers[0].post("/account/sessions/end/")
    assert answer["Location"] == "/sign-in/"
    assert [is_in(browser) for browser in browsers] == [False] * 3
    assert not SignIn.objects.exists()


def test_end_all_others_leaves_this_one(uma: User, miguel: User) -> None:
    here, there, stranger = signed_in(uma), signed_in(uma), signed_in(miguel)
    here.post("/account/sessions/end/", {"others": "1"})
    assert [is_in(browser) for browser in (here, there, stranger)] == [True, False, True]


def test_signing_out_takes_the_row_away(uma: User, told: list[dict[str, Any]]) -> None:
    browser = signed_in(uma)
    browser.post("/sign-out/")
    assert not SignIn.objects.exists()
    assert kinds(told) == ["signed_in", "signed_out"]


def test_a_changed_password_ends_the_other_sessions_and_not_this_one(uma: User, ada: User) -> None:
    here, there = sign_in_by_form(uma), signed_in(uma)
    token = sessions.serving.set(SignIn.objects.get(pk=here.session["sign_in"]).pk)
    try:
        uma.set_password("another-good-long-password")
        uma.save()
    finally:
        sessions.serving.reset(token)

    assert [str(pk) for pk in SignIn.objects.values_list("pk", flat=True)] == [here.session["sign_in"]]
    assert not is_in(there)


def test_a_password_given_by_an_operator_ends_all_sessions(uma: User, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    browser, desk = signed_in(uma), signed_in(ada)
    fields = {"password1": "another-good-long-password", "password2": "another-good-long-password", "usable_password": "true"}
    assert desk.post(f"/admin/accounts/user/{uma.pk}/password/", fields).status_code == 302
    assert not is_in(browser)
    assert not uma.sign_ins.exists()
    assert is_in(desk)


def test_an_unchanged_password_ends_nothing(uma: User) -> None:
    browser = signed_in(uma)
    uma.first_name = "Uma"
    uma.save()
    assert is_in(browser)


def test_deactivation_ends_sessions_for_good(uma: User) -> None:
    browser = signed_in(uma)
    uma.is_active = False
    uma.save()
    assert not is_in(browser)
    uma.is_active = True
    uma.save()
    assert not is_in(browser)


def test_a_session_that_nobody_used_for_too_long_is_over(uma: User, settings: Any) -> None:
    settings.SESSION_IDLE_SECONDS = 3600
    browser = signed_in(uma)
    age_by(minutes=59)
    assert is_in(browser)
    age_by(minutes=61)
    assert not is_in(browser)


def test_a_session_that_is_too_old_is_over_however_much_it_is_used(uma: User, settings: Any) -> None:
    settings.SESSION_COOKIE_AGE = 12 * 3600
    browser = signed_in(uma)
    age_by(hours=11.9)
    SignIn.objects.update(last_seen_at=timezone.now())
    assert is_in(browser)
    age_by(hours=0.2)
    SignIn.objects.update(last_seen_at=timezone.now())
    assert not is_in(browser)


def test_without_an_idle_limit_only_age_counts(uma: User, settings: Any) -> None:
    settings.SESSION_IDLE_SECONDS = 0
    browser = signed_in(uma)
    age_by(hours=11)
    assert is_in(browser)


def test_what_a_person_does_is_written_once_a_minute_and_what_a_page_does_never(uma: User) -> None:
    browser = signed_in(uma)
    first = SignIn.objects.get().last_seen_at
    browser.get("/account/")
    assert SignIn.objects.get().last_seen_at == first

    age_by(minutes=5)
    early = SignIn.objects.get().last_seen_at
    browser.get("/account/", headers={UNATTENDED: "1"})
    assert SignIn.objects.get().last_seen_at == early
    browser.get("/account/")
    assert SignIn.objects.get().last_seen_at > early


def test_the_page_learns_how_long_it_lasts_and_one_press_keeps_it(uma: User, settings: Any) -> None:
    settings.SESSION_IDLE_SECONDS, settings.SESSION_COOKIE_AGE = 3600, 12 * 3600
    browser = signed_in(uma)
    age_by(minutes=50)

    asked = browser.get("/account/session/", headers={UNATTENDED: "1"})
    assert asked["Cache-Control"] == "no-store"
    assert 0 < asked.json()["ends_in"] <= 600
    assert browser.post("/account/session/").json()["ends_in"] > 3590

    SignIn.objects.all().delete()
    assert browser.get("/account/session/").status_code == 401
    assert browser.post("/account/session/").status_code == 401


def test_the_absolute_limit_cannot_be_pressed_away(uma: User, settings: Any) -> None:
    settings.SESSION_IDLE_SECONDS, settings.SESSION_COOKIE_AGE = 3600, 12 * 3600
    browser = signed_in(uma)
    age_by(hours=11.95)
    SignIn.objects.update(last_seen_at=timezone.now())
    left = browser.post("/account/session/").json()
    assert left["ends_in"] == left["limit_in"] < 181


def test_keeping_a_session_needs_the_forms_token(uma: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(uma, backend="accounts.local.backend.LocalBackend")
    assert browser.post("/account/session/").status_code == 403


def test_what_is_over_is_pruned(uma: User, miguel: User) -> None:
    signed_in(uma)
    age_by(days=2)
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    signed_in(miguel)

    prune_sessions()

    assert [sign_in.user for sign_in in SignIn.objects.all()] == [miguel]
    assert Session.objects.count() == 1


def test_sessions_end_by_keycloaks_names(uma: User, miguel: User, told: list[dict[str, Any]]) -> None:
    now = timezone.now()
    one, two, other = signed_in(uma), signed_in(uma), signed_in(miguel)
    for browser, sid in ((one, "a"), (two, "b")):
        SignIn.objects.filter(pk=browser.session["sign_in"]).update(
            method="keycloak", issuer="https://sso.example", subject="u-1", sid=sid
        )
    told.clear()
    assert sessions.end_sessions(issuer="https://other.example", sid="a", now=now) == 0
    assert sessions.end_sessions(issuer="https://sso.example", sid="a", now=now) == 1
    assert [is_in(browser) for browser in (one, two, other)] == [False, True, True]
    assert sessions.end_sessions(issuer="https://sso.example", subject="u-1", now=now) == 1
    assert [is_in(browser) for browser in (one, two, other)] == [False, False, True]
    assert kinds(told) == [AccountEvent.SESSIONS_ENDED.value] * 2
    with pytest.raises(ValueError, match="whose"):
        sessions.end_sessions(issuer="https://sso.example", now=now)


def test_a_sign_in_in_the_same_browser_takes_the_place_of_the_one_before(uma: User, miguel: User) -> None:
    browser = signed_in(uma)
    browser.force_login(miguel, backend="accounts.local.backend.LocalBackend")
    assert browser.get("/account/").context["user"] == miguel


def test_an_operator_sees_and_ends_a_persons_sessions(uma: User, ada: User, told: list[dict[str, Any]]) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    browser, desk = sign_in_by_form(uma, **{"User-Agent": FIREFOX}), signed_in(ada)
    page = desk.get(f"/admin/accounts/user/{uma.pk}/change/").content.decode()
    assert "Firefox 128 on Linux" in page

    mine = uma.sign_ins.get()
    fields = {"action": "end_sessions", "_selected_action": [str(mine.pk)]}
    desk.post("/admin/accounts/signin/", fields)

    assert not is_in(browser)
    assert (told[-1]["kind"], told[-1]["user"], told[-1]["by"]) == (AccountEvent.SESSIONS_ENDED, uma, ada)


def test_an_operator_ends_all_sessions_of_chosen_people(uma: User, miguel: User, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    browsers, desk = [signed_in(uma), signed_in(uma), signed_in(miguel)], signed_in(ada)
    desk.post("/admin/accounts/user/", {"action": "end_all_sessions", "_selected_action": [str(uma.pk)]})
    assert [is_in(browser) for browser in browsers] == [False, False, True]
