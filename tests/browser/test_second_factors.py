"""A second factor is set up and used in a real browser, passkeys by its virtual authenticator; under our policy, without a violation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page, expect

from tests.live.portal import Portal
from tests.redis_server import RedisServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
PASSWORD = "a-good-long-password"
FILL = f"""
from django.contrib.auth.models import Group
from accounts.models import User
for name in ("ada", "ann"):
    person = User.objects.create_user(username=name, password={PASSWORD!r}, is_staff=True)
    person.groups.add(Group.objects.get(name="admin"))
"""


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    folder: Path = tmp_path_factory.mktemp("factors")
    server = RedisServer()
    server.start()
    portal = Portal(folder, server.url)
    portal.environment["MFA_REQUIRED_FOR_ADMINS"] = "1"
    # Passkeys need a name in the address.
    portal.url = f"http://localhost:{portal.port}"
    portal.migrate()
    portal.run(FILL)
    portal.start()
    yield portal
    portal.kill()
    server.kill()


@pytest.fixture
def page(chromium: Browser, portal: Portal) -> Iterator[Page]:
    """A browser whose device can prove who is there; anything in its console fails the test."""
    context = chromium.new_context(base_url=portal.url)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(f"{message.text} {message.location}") if message.type == "error" else None)
    device = context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield page
    context.close()
    assert [text for text in wrong if "favicon" not in text] == []


def sign_in(page: Page, name: str) -> None:
    page.goto("/sign-in/?next=/audit/")
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")


def confirm(page: Page) -> None:
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def sign_out(page: Page) -> None:
    page.goto("/sign-out/")
    page.locator("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_administrator_adds_a_passkey_and_signs_in_with_it_alone(page: Page) -> None:
    sign_in(page, "ada")
    expect(page.get_by_text("Administrators need a second factor here")).to_be_visible()
    page.get_by_role("link", name="Add a passkey").click()
    confirm(page)
    page.fill("input[name=name]", "Laptop")
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("listitem").filter(has_text="Laptop")).to_be_visible()
    page.goto("/audit/?kind=person.factor_added")
    expect(page.get_by_text("passkey “Laptop”")).to_be_visible()

    sign_out(page)
    page.goto("/sign-in/?next=/labs/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Labs", exact=True)).to_be_visible()

    sign_out(page)
    sign_in(page, "ada")
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()


def test_an_app_is_set_up_and_asked_for(page: Page) -> None:
    sign_in(page, "ann")
    page.get_by_role("link", name="Set up").click()
    confirm(page)
    picture = page.locator("img.qr")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0"), "the policy lets the picture through"
    secret = page.locator(".key-text").inner_text()

    def code(step: int = 0) -> str:
        return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + step))

    page.fill("input[name=code]", code())
    page.get_by_role("button", name="Set up").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    spare = page.locator(".recovery-codes li").first.inner_text()
    sign_out(page)
    sign_in(page, "ann")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("This code is not right")).to_be_visible()
    page.get_by_label("Code").fill(spare)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
