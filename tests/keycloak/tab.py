"""A browser's tab in the hands of a person."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.keycloak.portal import KeycloakPortal
from tests.keycloak.server import Keycloak

PROMISED = 30_000  # milliseconds within which the portal promises to act on what it has learnt


class Tab:
    """What somebody does and sees, at the portal and at Keycloak."""

    def __init__(self, page: Page, portal: KeycloakPortal, keycloak: Keycloak) -> None:
        self.page = page
        self._portal = portal
        self._keycloak = keycloak

    def go(self, path: str = "/") -> int:
        """Open a page of the portal; the status of what came in the end."""
        answer = self.page.goto(self._portal.url + path)
        assert answer is not None
        return answer.status

    def sign_in(self, username: str, path: str = "/") -> None:
        """From a page of the portal through Keycloak's own, and back to that page."""
        self.begin(path)
        self.fill_in(username)
        self.page.wait_for_url(self._portal.url + path)

    def begin(self, path: str = "/") -> None:
        """As far as Keycloak's page."""
        self.go(path)
        self.press_sign_in()
        expect(self.page.locator("#username")).to_be_visible()
        assert self.page.url.startswith(self._keycloak.issuer)

    def press_sign_in(self) -> None:
        assert "/sign-in/" in self.page.url, self.page.url
        self.page.get_by_role("link", name="Sign in with Keycloak").click()

    def fill_in(self, username: str, password: str = "") -> None:
        self.page.fill("#username", username)
        self.page.fill("#password", password or self._keycloak.demo_password)
        self.page.click("#kc-login")

    def sign_out(self) -> None:
        """By the page that asks whether one is sure."""
        self.go("/sign-out/")
        self.page.get_by_role("main").get_by_role("button", name="Sign out").click()

    def is_at_sign_in(self, sentence: str = "") -> None:
        """Wait until the tab shows the sign-in page, with `sentence` on it."""
        self.page.wait_for_url(lambda url: url.startswith(f"{self._portal.url}/sign-in/"))
        if sentence:
            expect(self.page.get_by_role("alert")).to_contain_text(sentence)

    def badge(self, state: str) -> None:
        """Wait until the badge of live updates says so."""
        expect(self.page.locator("#live-badge")).to_have_attribute("data-state", state, timeout=PROMISED)

    @property
    def session(self) -> str:
        """The key of the portal's session, "" without one."""
        return next((cookie["value"] for cookie in self.page.context.cookies() if cookie["name"] == "cmlmanager_session"), "")
