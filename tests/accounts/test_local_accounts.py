"""Local accounts on, off, and for the one emergency account; passwords; lock-out."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.local import lockout
from accounts.models import User
from accounts.services import local
from tests.conftest import signed_in
from workers.models import Delivery, Event, NotificationTarget

pytestmark = pytest.mark.django_db
PASSWORD = "a-good-long-password"
ROOT = Path(__file__).resolve().parents[2]


def with_password(person: User, password: str = PASSWORD) -> User:
    person.set_password(password)
    person.save()
    return person


def try_sign_in(address: str = "/sign-in/", login: str = "uma", password: str = PASSWORD, browser: Client | None = None) -> Any:
    browser = browser or Client()
    answer = browser.post(address, {"login": login, "password": password})
    answer.is_in = "_auth_user_id" in browser.session
    return answer


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="person.").order_by("id").values_list("kind", flat=True))


# ── On, off, break-glass ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["off", "break-glass"])
def test_where_local_accounts_are_off_the_form_is_gone_and_a_right_password_refused(
    mode: str, uma: User, settings: Any
) -> None:
    with_password(uma)
    settings.LOCAL_ACCOUNTS = mode

    page = Client().get("/sign-in/").content.decode()
    refused = try_sign_in()

    assert 'name="password"' not in page
    assert "demo" not in page.lower()
    assert not refused.is_in
    assert "switched off" in refused.content.decode()
    assert authenticate(None, username="uma", password=PASSWORD) is None
    assert Client().get("/sign-in/passkey/").status_code == Client().post("/sign-in/passkey/").status_code == 404


def test_switching_local_accounts_off_ends_sessions_that_they_opened(uma: User, settings: Any) -> None:
    browser = signed_in(with_password(uma))
    assert browser.get("/").status_code == 200

    settings.LOCAL_ACCOUNTS = "off"

    assert browser.get("/")["Location"].startswith("/sign-in/")
    for page in ("password/", "second-factor/", "second-factor/app/", "confirm/"):
        assert browser.get(f"/account/{page}")["Location"].startswith("/sign-in/")


@pytest.mark.parametrize(
    "page", ["password/", "second-factor/", "second-factor/app/", "second-factor/passkeys/new/", "confirm/"]
)
def test_keycloaks_people_have_no_pages_of_local_accounts(page: str, uma: User, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [settings.LOCAL_BACKEND, "django.contrib.auth.backends.ModelBackend"]
    browser = Client()
    browser.force_login(uma, backend="django.contrib.auth.backends.ModelBackend")

    assert browser.get(f"/account/{page}").status_code == 404
    assert "second-factor" not in browser.get("/account/").content.decode()


def test_the_break_glass_door_is_not_there_while_it_is_not_needed(settings: Any) -> None:
    local.make_break_glass(username="break-glass", password=PASSWORD)
    for mode in ("on", "off"):
        settings.LOCAL_ACCOUNTS = mode
        assert Client().get("/sign-in/break-glass/").status_code == 404
        assert Client().post("/sign-in/break-glass/", {"login": "break-glass", "password": PASSWORD}).status_code == 404


def test_the_break_glass_account_gets_in_at_its_own_door_loudly(
    uma: User, settings: Any, caplog: pytest.LogCaptureFixture, now: Any
) -> None:
    settings.LOCAL_ACCOUNTS = "break-glass"
    with_password(uma)
    local.make_break_glass(username="break-glass", password=PASSWORD)
    NotificationTarget.objects.create(kind="webhook", name="Pager", created_at=now, minimum="critical")
    door = "/sign-in/break-glass/"

    assert not try_sign_in(login="break-glass").is_in, "the ordinary door stays shut"
    assert not try_sign_in(door).is_in, "and this one is for nobody else"
    entered = try_sign_in(door, "break-glass", browser=(browser := Client()))

    assert entered.is_in
    assert browser.get("/audit/").status_code == 200
    assert "/sign-in/break-glass" not in Client().get("/sign-in/").content.decode()
    event = Event.objects.filter(kind="person.break_glass").latest("id")
    assert (event.subject_name, event.actor_name, event.detail) == ("break-glass", "break-glass", "signed in")
    assert event.from_address == "127.0.0.1"
    assert "break-glass account break-glass has signed in" in caplog.text
    delivery = Delivery.objects.latest("id")
    assert (delivery.type, delivery.severity) == ("account.break_glass", "critical")


def test_guessing_at_the_break_glass_door_is_slowed_down(settings: Any) -> None:
    settings.LOCAL_ACCOUNTS = "break-glass"
    for _ in range(5):
        try_sign_in("/sign-in/break-glass/", "break-glass", "wrong")

    assert try_sign_in("/sign-in/break-glass/", "break-glass").status_code == 429


def test_the_command_makes_the_account_and_says_its_password_once() -> None:
    out = io.StringIO()
    call_command("create_break_glass_admin", stdout=out)

    said = dict(line.split(": ", 1) for line in out.getvalue().splitlines() if ": " in line)
    made = User.objects.get(is_break_glass=True)
    assert made.check_password(said["Password"])
    assert made.is_superuser
    assert made.is_staff
    assert said["Address"] == "/sign-in/break-glass/"
    with pytest.raises(CommandError, match="already"):
        call_command("create_break_glass_admin", stdout=out)

    again = io.StringIO()
    call_command("create_break_glass_admin", "--replace", stdout=again)
    assert not User.objects.get(is_break_glass=True).check_password(said["Password"])
    assert kinds() == ["person.break_glass", "person.break_glass"]


def test_the_command_refuses_a_weak_password_and_somebody_elses_name(uma: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="at least 12"):
        call_command("create_break_glass_admin", "--password-stdin")
    with pytest.raises(CommandError, match="Somebody else"):
        call_command("create_break_glass_admin", "--username", "UMA")
    assert not User.objects.filter(is_break_glass=True).exists()


def test_the_commands_from_a_shell(tmp_path: Path) -> None:
    import os

    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "TEST_DATABASE_URL"}}
    environment |= {"VAR": str(tmp_path), "LOCAL_ACCOUNTS": "break-glass", "PORTAL_URL": "https://portal.example.com"}

    def manage(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True, timeout=60)

    assert manage("migrate", "--verbosity", "0").returncode == 0
    made = manage("create_break_glass_admin", "--username", "glass", "--password-stdin", text=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    assert "https://portal.example.com/sign-in/break-glass/" in made.stdout
    assert PASSWORD not in made.stdout + made.stderr
    assert manage("unlock", "glass").stdout == "glass was not locked out.\n"


# ── Passwords ──────────────────────────────────────────────────────────────────────────────────────────────────────


def change(browser: Client, new: str, old: str = PASSWORD, again: str | None = None) -> Any:
    fields = {"oldpassword": old, "password1": new, "password2": new if again is None else again}
    return browser.post("/account/password/", fields)


def test_a_password_is_changed_this_session_stays_and_the_others_end(uma: User) -> None:
    browser, other = signed_in(with_password(uma)), signed_in(uma)
    page = browser.get("/account/password/").content.decode()
    assert "at least 12 characters" in page

    assert change(browser, "another-good-password")["Location"] == "/account/"

    assert browser.get("/").status_code == 200
    assert other.get("/").status_code == 302
    assert kinds()[-1] == "person.password_changed"
    assert Event.objects.latest("id").actor_name == "uma"


@pytest.mark.parametrize(
    ("new", "old", "again", "words"),
    [
        ("short", PASSWORD, None, "at least 12"),
        ("123456789012", PASSWORD, None, "numeric"),
        ("password1234567", "wrong", None, "not your current"),
        (PASSWORD, PASSWORD, None, "the password that you have"),
        ("another-good-password", PASSWORD, "other", "same password"),
    ],
)
def test_a_password_that_breaks_a_rule_is_refused_in_words(
    new: str, old: str, again: str | None, words: str, uma: User
) -> None:
    answer = change(signed_in(with_password(uma)), new, old, again)

    assert words in answer.content.decode().replace("&#x27;", "'")
    uma.refresh_from_db()
    assert uma.check_password(PASSWORD)


def test_whoever_must_choose_a_new_password_can_do_nothing_else_until_then(uma: User) -> None:
    with_password(uma)
    local.require_new_password(user=uma, by=None)
    browser = Client()
    assert try_sign_in(browser=browser).is_in

    assert browser.get("/")["Location"] == "/account/password/"
    assert browser.post("/account/", {"time_zone": "UTC", "colour_scheme": "dark"})["Location"] == "/account/password/"
    assert browser.get("/labs/", headers={"HX-Request": "true"})["HX-Redirect"] == "/account/password/"
    assert browser.get("/account/second-factor/")["Location"] == "/account/password/"
    assert browser.get("/account/password/").status_code == 200
    assert browser.get("/sign-out/").status_code == 200
    change(browser, "another-good-password")

    assert browser.get("/").status_code == 200


def test_whoever_must_do_something_first_is_told_no_news_either(uma: User) -> None:
    from cmlmanager.live.authorize import Credential, judge_all

    browser = signed_in(with_password(uma))
    question = (Credential(session_key=browser.cookies["cmlmanager_session"].value), frozenset({"fleet"}))
    assert judge_all([question])[0].user_id == str(uma.pk)

    local.require_new_password(user=uma, by=None)

    assert judge_all([question])[0].user_id is None


# ── Lock-out ───────────────────────────────────────────────────────────────────────────────────────────────────────


def lock_out(login: str = "uma") -> None:
    for number in range(5):
        Client().post("/sign-in/", {"login": login, "password": "wrong"}, REMOTE_ADDR=f"192.0.2.{number}")


def test_five_failures_lock_an_account_out_from_wherever_they_came(uma: User) -> None:
    with_password(uma)
    lock_out()

    assert lockout.is_locked(uma)
    assert not try_sign_in().is_in
    assert kinds().count("person.locked") == 1
    event = Event.objects.get(kind="person.locked")
    assert (event.subject_name, event.from_address) == ("uma", "192.0.2.4")
    assert 240 < lockout.seconds_left([uma])[uma.pk] <= 300


def test_another_name_of_the_portal_gives_no_more_tries(uma: User, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    with_password(uma)
    for number in range(5):
        Client().post(
            "/sign-in/",
            {"login": "UMA", "password": "wrong"},
            REMOTE_ADDR=f"192.0.2.{number}",
            HTTP_HOST=f"n{number}.example.com",
        )

    assert not try_sign_in().is_in


def test_a_name_that_nobody_has_is_locked_out_the_same_way() -> None:
    lock_out("nobody")

    assert "Too many failed attempts" in try_sign_in(login="nobody").content.decode()


def test_an_operator_unlocks_from_a_shell(uma: User) -> None:
    with_password(uma)
    lock_out()
    out = io.StringIO()

    call_command("unlock", "Uma", stdout=out)

    assert out.getvalue() == "uma is unlocked.\n"
    assert try_sign_in().is_in
    event = Event.objects.get(kind="person.unlocked")
    assert (event.actor_kind, event.detail) == ("system", "manage.py unlock")
