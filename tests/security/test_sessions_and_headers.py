"""Session fixation, open redirects, host headers, caches, frames and cookies: each with what an attacker would try."""

from __future__ import annotations

import csv
import io
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.conftest import signed_in
from tests.labs.makers import make_lab
from tests.labs.saving import version_of
from tests.makers import make_worker

pytestmark = pytest.mark.django_db
PASSWORD = "a-good-long-password"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ELSEWHERE = [
    "https://evil.example.com/",
    "http://evil.example.com",
    "//evil.example.com",
    "///evil.example.com",
    "////evil.example.com/%2e%2e",
    "/\\evil.example.com",
    "\\\\evil.example.com",
    "/\\/evil.example.com",
    "https:evil.example.com",
    "https:///evil.example.com",
    "http:///evil.example.com",
    "//evil.example.com@testserver/",
    "https://testserver@evil.example.com/",
    "https://testserver.evil.example.com/",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "\x08//evil.example.com",
    " //evil.example.com",
    "\t//evil.example.com",
    "/\t/evil.example.com",
    "/\n/evil.example.com",
    "http://[::1",
    "//evil。example。com",
    "ftp://evil.example.com/",
]


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def person(ada: User) -> User:
    ada.set_password(PASSWORD)
    ada.is_staff = True
    ada.save()
    return ada


def sign_in(browser: Client, address: str = "/sign-in/", **more: str) -> Any:
    return browser.post(address, {"login": "ada", "password": PASSWORD} | more)


def stays_here(location: str) -> bool:
    """Whether a browser that is sent there stays in the portal. Browsers drop tabs and line breaks and read a backslash as a slash."""
    read = location.strip().translate({9: None, 10: None, 13: None}).replace("\\", "/")
    return read.startswith(("/", "?")) and not read.startswith("//")


# ── Open redirects ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_entrance_leads_to_another_site(person: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    for wanted in ELSEWHERE:
        _stays_at_every_entrance(person, wanted)


def _stays_at_every_entrance(person: User, wanted: str) -> None:
    landed = [sign_in(Client(), next=wanted), sign_in(Client(), f"/sign-in/?{urlencode({'next': wanted})}")]
    inside = signed_in(person)
    landed += [inside.get("/sign-in/", {"next": wanted}), inside.get("/admin/login/", {"next": wanted})]
    landed += [inside.get("/sign-in/passkey/", {"next": wanted}), inside.get("/sign-in/second-factor/", {"next": wanted})]
    landed.append(inside.post("/account/confirm/", {"password": PASSWORD, "next": wanted}))
    landed.append(signed_in(person).post("/sign-out/", {"next": wanted}))

    for answer in landed:
        assert answer.status_code == 302
        assert stays_here(answer["Location"]), answer["Location"]
        assert "evil" not in answer["Location"].partition("?")[0]


def test_a_second_factor_on_the_way_leads_nowhere_else_either(person: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    TOTP.activate(person, SECRET)
    for step, wanted in enumerate(["https://evil.example.com/", "//evil.example.com", "/labs/?q=x"]):
        browser = Client()
        assert sign_in(browser, next=wanted)["Location"].startswith("/sign-in/second-factor/")
        cache.clear()  # a code works once; this is about where it leads
        code = format_hotp_value(hotp_value(SECRET, int(time.time()) // 30))
        entered = browser.post("/sign-in/second-factor/", {"code": code, "next": wanted})
        assert entered["Location"] == ("/labs/?q=x" if step == 2 else "/")


def test_signed_out_people_come_back_to_where_they_were_and_only_within(person: User) -> None:
    asked = Client().get("/labs/?q=%2F%2Fevil.example.com")
    assert asked["Location"] == "/sign-in/?next=/labs/%3Fq%3D%252F%252Fevil.example.com"
    assert sign_in(Client(), asked["Location"])["Location"] == "/labs/?q=%2F%2Fevil.example.com"
    doubled = Client().get("//evil.example.com/")
    assert doubled.status_code in {301, 302, 404}
    assert stays_here(doubled.get("Location", "/"))


def test_htmx_is_not_sent_elsewhere_by_a_header(person: User) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "https://evil.example.com//evil.example.com/x"}
    told = Client().get("/labs/", headers=headers)["HX-Redirect"]

    assert told.startswith("/sign-in/?next=")
    assert stays_here(sign_in(Client(), told)["Location"])


# ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_that_somebody_planted_is_not_the_one_that_is_signed_in(person: User) -> None:
    browser = Client()
    browser.get("/sign-in/")
    planted = browser.session
    planted["planted"] = True
    planted.save()
    browser.cookies["cmlmanager_session"] = planted.session_key

    sign_in(browser)

    assert browser.session.session_key != planted.session_key
    thief = Client()
    thief.cookies["cmlmanager_session"] = planted.session_key
    assert thief.get("/").status_code == 302


def test_a_session_key_that_nobody_gave_out_is_not_taken_over(person: User) -> None:
    browser = Client()
    browser.cookies["cmlmanager_session"] = "a" * 32

    sign_in(browser)

    assert browser.session.session_key != "a" * 32


def test_signing_in_as_somebody_else_takes_nothing_over(person: User, uma: User) -> None:
    browser = signed_in(uma)
    session = browser.session
    session["of"] = "uma"
    session.save()
    browser.get("/sign-out/")
    browser.post("/sign-out/")
    sign_in(browser)

    assert "of" not in browser.session


def test_the_token_of_forms_changes_at_sign_in(person: User) -> None:
    browser = Client()
    browser.get("/sign-in/")
    before = browser.cookies["cmlmanager_csrf"].value

    sign_in(browser)

    assert browser.cookies["cmlmanager_csrf"].value != before


def test_cookies_are_out_of_reach_of_scripts_other_sites_and_plain_http(person: User, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True  # as HTTPS=1 sets them: test_production_settings
    browser = Client()
    browser.get("/sign-in/", secure=True)
    sign_in(browser)

    for name in ("cmlmanager_session", "cmlmanager_csrf"):
        cookie = browser.cookies[name]
        assert cookie["httponly"], name
        assert cookie["secure"], name
        assert cookie["samesite"] == "Lax", name
        assert cookie["domain"] == "", name
        assert cookie["path"] == "/", name


# ── Headers ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", ["/", "/sign-in/", "/admin/", "/sign-in/second-factor/", "/audit/export.csv"])
def test_a_host_that_is_not_ours_is_refused(address: str, person: User) -> None:
    browser = signed_in(person)
    for host in ("evil.example.com", "testserver.evil.example.com", "testserver@evil.example.com", "localhost:80/x", ""):
        answer = browser.get(address, HTTP_HOST=host)
        assert answer.status_code == 400, host
        assert "evil" not in answer.content.decode()


def test_a_forwarded_host_is_believed_by_nobody_who_is_not_told_to(person: User) -> None:
    answer = Client().get("/", headers={"X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "https"})

    assert answer["Location"] == "/sign-in/?next=/"
    assert "evil" not in sign_in(Client()).get("Location", "")


def test_downloads_and_fragments_are_kept_by_no_cache(person: User) -> None:
    worker = make_worker()
    lab = make_lab(worker)
    version = version_of(lab)
    browser = signed_in(person)
    downloads = [
        "/audit/export.csv",
        f"/workers/{worker.pk}/history.csv?window=1h",
        f"/labs/versions/{version.pk}/download/",
        f"/workers/{worker.pk}/labs/archive/",
    ]
    fragments = ["/", "/labs/", f"/workers/{worker.pk}/live/", "/alerts/bell/", "/audit/", "/notifications/"]
    for address, headers in [(one, {}) for one in downloads] + [(one, {"HX-Request": "true"}) for one in fragments]:
        answer = browser.get(address, headers=headers)
        assert "no-store" in answer["Cache-Control"], address
        assert answer["X-Frame-Options"] == "DENY"
    assert list(csv.reader(io.StringIO(b"".join(browser.get("/audit/export.csv")).decode())))  # type: ignore[arg-type]


def test_pages_of_strangers_that_hold_a_token_are_kept_by_no_cache() -> None:
    for address in ("/sign-in/", "/sign-in/inactive/", "/sign-in/second-factor/"):
        assert "no-store" in Client().get(address)["Cache-Control"], address


def test_no_page_may_be_framed(person: User) -> None:
    for browser, address in (
        (Client(), "/sign-in/"),
        (signed_in(person), "/"),
        (signed_in(person), "/admin/"),
        (signed_in(person), "/nonsense/"),
    ):
        answer = browser.get(address)
        assert answer["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    "address",
    [
        "/account/",
        "/account/password/",
        "/account/confirm/",
        "/account/second-factor/app/",
        "/sign-out/",
        "/sign-in/",
        "/sign-in/passkey/",
    ],
)
def test_every_form_about_accounts_needs_its_token(address: str, person: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    if not address.startswith("/sign-in"):
        browser.force_login(person, backend="accounts.local.backend.LocalBackend")

    assert browser.post(address, {"password": PASSWORD, "login": "ada"}).status_code == 403
