"""People of a real Keycloak in a real browser: they sign in, see what their groups allow, and lose it when Keycloak says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.keycloak.administration import Administration
from tests.keycloak.portal import KeycloakPortal
from tests.keycloak.tab import PROMISED, Tab
from tests.live.portal import until

pytestmark = [pytest.mark.keycloak, pytest.mark.browser]

Somebody = Callable[..., str]
EVERYBODYS = {"Fleet", "Labs", "Operations", "Alerts", "Licences"}
ADMINISTRATORS = {"Notifications", "Audit", "Admin"}
# A page of operators of labs, one of administrators, and the Django admin: what the three people get there.
PAGES = ("/labs/import/", "/audit/", "/admin/")


@pytest.mark.parametrize(
    ("person", "role", "links", "statuses"),
    [
        ("user", "User", set(), (403, 403, 403)),
        ("manager", "Manager", set(), (200, 403, 403)),
        ("admin", "Administrator", ADMINISTRATORS, (200, 200, 200)),
    ],
)
def test_each_person_sees_what_their_group_allows(
    person: str, role: str, links: set[str], statuses: tuple[int, ...], tab: Tab
) -> None:
    tab.sign_in(person)

    shown = set(tab.page.get_by_role("navigation", name="Main").get_by_role("link").all_inner_texts())
    assert shown >= EVERYBODYS
    assert shown & ADMINISTRATORS == links
    assert tuple(tab.go(path) for path in PAGES) == statuses
    tab.go("/account/")
    expect(tab.page.get_by_role("main")).to_contain_text(role)
    expect(tab.page.get_by_role("main")).to_contain_text(f"{person}@example.com")


def test_one_comes_back_to_where_one_wanted_to_go(tab: Tab) -> None:
    tab.sign_in("user", "/?q=bgp&page=1")
    assert tab.page.get_by_role("searchbox").input_value() == "bgp"


def test_the_django_admin_is_reached_the_same_way(tab: Tab) -> None:
    tab.sign_in("admin", "/admin/accounts/user/")
    expect(tab.page.get_by_role("heading", name="Select user to change")).to_be_visible()


def test_somebody_without_a_group_is_told_whom_to_ask(somebody: Somebody, tab: Tab) -> None:
    tab.begin("/")
    tab.fill_in(somebody())
    expect(tab.page.get_by_role("main")).to_contain_text("Ask")
    assert tab.go("/") == 403


def test_somebody_whose_address_is_not_verified_is_told_so(somebody: Somebody, tab: Tab, portal: KeycloakPortal) -> None:
    name = somebody("/cml/admins", emailVerified=False)
    tab.begin("/")
    tab.fill_in(name)
    tab.is_at_sign_in("Your e-mail address is not verified at Keycloak.")
    assert portal.person(name) is None


def test_an_address_that_somebody_else_has_links_nobody(somebody: Somebody, tab: Tab, portal: KeycloakPortal) -> None:
    name = somebody("/cml/admins")
    portal.run(
        f"from accounts.models import User\nUser.objects.create_user('local-{name}', email='{name.upper()}@example.com')"
    )
    tab.begin("/")
    tab.fill_in(name)
    tab.is_at_sign_in("Another account here has your e-mail address already")
    assert portal.person(name) is None
    assert portal.person(f"local-{name}") == {"groups": [], "staff": False}


def test_who_is_renamed_in_keycloak_stays_who_they_are(
    somebody: Somebody, new_tab: Callable[[], Tab], portal: KeycloakPortal, administration: Administration
) -> None:
    name = somebody("/cml/users")
    new_tab().sign_in(name)
    administration.change_realm(editUsernameAllowed=True)
    try:
        administration.change(name, username=f"{name}-new", firstName="Renamed")
    finally:
        administration.change_realm(editUsernameAllowed=False)

    tab = new_tab()
    tab.sign_in(f"{name}-new")

    tab.go("/account/")
    expect(tab.page.get_by_role("main")).to_contain_text("Renamed")
    assert portal.person(f"{name}-new") is None


def test_a_new_signing_key_in_keycloak_keeps_nobody_out(somebody: Somebody, tab: Tab, administration: Administration) -> None:
    name = somebody("/cml/users")
    with administration.new_signing_key():
        tab.sign_in(name)
        assert tab.go("/labs/") == 200


# ── Losing it ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_who_is_demoted_in_keycloak_loses_it_at_the_next_renewal(
    somebody: Somebody, tab: Tab, portal: KeycloakPortal, administration: Administration
) -> None:
    name = somebody("/cml/admins")
    tab.sign_in(name)
    assert tab.go("/admin/") == 200

    administration.move(name, "/cml/users")

    until(lambda: tab.go("/admin/") == 403, "the Django admin is closed", 30)
    assert tab.go("/audit/") == 403
    assert tab.go("/") == 200
    assert portal.person(name) == {"groups": ["user"], "staff": False}


def test_who_is_promoted_in_keycloak_gets_it_at_the_next_renewal(
    somebody: Somebody, tab: Tab, administration: Administration
) -> None:
    name = somebody("/cml/users")
    tab.sign_in(name)
    administration.move(name, "/cml/managers")
    until(lambda: tab.go("/labs/import/") == 200, "labs may be imported", 30)


def test_who_leaves_every_group_is_shown_nothing_more_and_their_open_page_ends(
    somebody: Somebody, new_tab: Callable[[], Tab], administration: Administration
) -> None:
    name = somebody("/cml/managers")
    open_page = new_tab()
    open_page.sign_in(name)
    open_page.badge("connected")
    second = open_page.page.context.new_page()

    administration.move(name)

    def is_closed() -> bool:
        answer = second.goto(open_page.page.url)
        return answer is not None and answer.status == 403

    until(is_closed, "a click is refused", 30)
    expect(open_page.page.get_by_role("heading", name="You are signed in, but have no role yet")).to_be_visible(
        timeout=PROMISED
    )


def test_who_is_disabled_in_keycloak_is_signed_out_at_the_next_renewal(
    somebody: Somebody, tab: Tab, administration: Administration
) -> None:
    name = somebody("/cml/admins")
    tab.sign_in(name)

    administration.change(name, enabled=False)

    def is_out() -> bool:
        tab.go("/audit/")
        return "/sign-in/" in tab.page.url

    until(is_out, "the next page is sign-in", 30)
    expect(tab.page.get_by_role("alert")).to_contain_text("Keycloak has ended your session")
    assert tab.page.url.endswith("/sign-in/?next=/audit/")


# ── Signing out ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_who_is_signed_out_in_keycloak_is_signed_out_of_the_open_page(
    somebody: Somebody, tab: Tab, portal: KeycloakPortal, administration: Administration
) -> None:
    """By back-channel, without a click and long before a renewal would notice."""
    name = somebody("/cml/users")
    tab.sign_in(name)
    tab.badge("connected")
    assert portal.sessions_of(name) == 1

    administration.sign_out(name)

    until(lambda: portal.sessions_of(name) == 0, "the portal's session ends")
    tab.badge("signed-out")
    tab.page.get_by_role("link", name="Signed out").click()
    tab.is_at_sign_in()
    assert administration.sessions_of(name) == []


def test_one_session_that_ends_in_keycloak_ends_no_other(
    somebody: Somebody, new_tab: Callable[[], Tab], portal: KeycloakPortal, administration: Administration
) -> None:
    name = somebody("/cml/users")
    here, there = new_tab(), new_tab()
    here.sign_in(name)
    (first,) = administration.sessions_of(name)
    there.sign_in(name)
    assert portal.sessions_of(name) == 2

    administration.call("DELETE", f"sessions/{first['id']}")

    until(lambda: portal.sessions_of(name) == 1, "one session ends")
    here.badge("signed-out")
    assert there.go("/") == 200


def test_signing_out_of_the_portal_signs_out_of_keycloak_too(
    somebody: Somebody, tab: Tab, administration: Administration
) -> None:
    name = somebody("/cml/users")
    tab.sign_in(name)
    assert len(administration.sessions_of(name)) == 1

    tab.sign_out()

    tab.is_at_sign_in()
    assert administration.sessions_of(name) == []
    tab.press_sign_in()
    expect(tab.page.locator("#password")).to_be_visible()


def test_who_is_signed_in_at_keycloak_already_needs_no_password(somebody: Somebody, tab: Tab, portal: KeycloakPortal) -> None:
    name = somebody("/cml/users")
    tab.sign_in(name)
    tab.page.context.clear_cookies(name="cmlmanager_session")
    tab.go("/labs/")
    tab.press_sign_in()
    tab.page.wait_for_url(f"{portal.url}/labs/")


def test_the_page_of_an_ended_session_leads_to_sign_in_and_back_to_itself(
    somebody: Somebody, tab: Tab, portal: KeycloakPortal, administration: Administration
) -> None:
    name = somebody("/cml/users")
    tab.sign_in(name, "/?order=name")
    administration.sign_out(name)

    tab.page.get_by_role("link", name="Sign in and come back").click(timeout=PROMISED)

    tab.is_at_sign_in()
    tab.press_sign_in()
    tab.fill_in(name)
    tab.page.wait_for_url(f"{portal.url}/?order=name")


def test_an_answer_of_htmx_after_the_session_has_ended_leads_to_sign_in_and_back(
    somebody: Somebody, tab: Tab, portal: KeycloakPortal, administration: Administration
) -> None:
    """A page that hears of nothing, because its stream is cut, finds out by its next click."""
    name = somebody("/cml/users")
    tab.page.route("**/api/events/**", lambda route: route.abort())
    tab.sign_in(name, "/?order=name")
    administration.sign_out(name)
    until(lambda: portal.sessions_of(name) == 0, "the portal's session ends")

    tab.page.get_by_role("searchbox").fill("bgp")

    tab.is_at_sign_in()
    tab.press_sign_in()
    tab.fill_in(name)
    tab.page.wait_for_url(lambda url: url.startswith(f"{portal.url}/?"))
    assert "order=name" in tab.page.url
