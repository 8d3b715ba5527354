"""Keycloak goes away and comes back. In one file, because everybody else needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.keycloak.portal import KeycloakPortal
from tests.keycloak.server import Keycloak
from tests.keycloak.tab import Tab
from tests.live.portal import until

pytestmark = [pytest.mark.keycloak, pytest.mark.browser]

Somebody = Callable[..., str]


@pytest.fixture
def frozen(keycloak: Keycloak) -> Iterator[Callable[[], None]]:
    yield keycloak.freeze
    keycloak.thaw()
    until(keycloak.answers, "Keycloak answers again", 30)


def test_a_keycloak_that_hangs_is_said_on_the_sign_in_page(tab: Tab, frozen: Callable[[], None]) -> None:
    tab.go("/labs/")
    frozen()
    tab.press_sign_in()
    expect(tab.page.get_by_role("alert")).to_contain_text("Keycloak took too long to answer", timeout=30_000)
    assert "next=" in tab.page.url


def test_signed_in_people_work_on_while_keycloak_is_away_and_are_renewed_when_it_is_back(
    somebody: Somebody, new_tab: Callable[[], Tab], keycloak: Keycloak, portal: KeycloakPortal
) -> None:
    name = somebody("/cml/managers")
    inside, outside, leaving = new_tab(), new_tab(), new_tab()
    inside.sign_in(name)
    inside.badge("connected")
    leaving.sign_in(name)
    outside.go("/labs/")
    renewed = portal.renewed_at(name)

    keycloak.stop()
    try:
        # Longer than a renewal takes to come due: it is tried, and the session goes on.
        until(lambda: inside.go("/labs/import/") == 200 and portal.knows_of_the_outage(), "a renewal was tried in vain", 30)
        assert inside.go("/") == 200
        inside.badge("connected")
        assert portal.sessions_of(name) == 2

        outside.press_sign_in()
        outside.is_at_sign_in("Keycloak cannot be reached at the moment. Try again in a minute.")

        leaving.sign_out()
        leaving.is_at_sign_in("You are signed out here, but Keycloak could not be reached")
        assert portal.sessions_of(name) == 1
    finally:
        keycloak.start()

    outside.press_sign_in()
    outside.fill_in(name)
    outside.page.wait_for_url(f"{portal.url}/labs/")
    # Asked again a minute after the last attempt at the latest.
    until(lambda: inside.go("/") == 200 and portal.renewed_at(name) > renewed, "the session is renewed", 100)
