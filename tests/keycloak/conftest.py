"""One Keycloak and one portal for the run. Tests that change the realm put it back; those that change a person make their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.chromium import chromium
from tests.keycloak.administration import Administration
from tests.keycloak.flow import Visitor
from tests.keycloak.portal import KeycloakPortal
from tests.keycloak.server import Keycloak
from tests.keycloak.tab import Tab
from tests.redis_server import RedisServer, free_port

__all__ = ["chromium"]

# What the browser and htmx say of answers and streams that tests end on purpose.
BROKEN_ON_PURPOSE = ("ERR_", "Failed to load resource", "Response Status Error Code")


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    # The realm names the portal's addresses, so its port is chosen first.
    server = Keycloak(tmp_path_factory.mktemp("keycloak"), f"http://127.0.0.1:{free_port()}")
    server.install()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def administration(keycloak: Keycloak) -> Administration:
    return Administration(keycloak)


@pytest.fixture
def visitor(keycloak: Keycloak) -> Visitor:
    return Visitor(keycloak)


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory, keycloak: Keycloak) -> Iterator[KeycloakPortal]:
    redis = RedisServer()
    redis.start()
    folder: Path = tmp_path_factory.mktemp("portal")
    portal = KeycloakPortal(folder, redis.url, keycloak)
    portal.migrate()
    portal.start()
    yield portal
    portal.kill()
    redis.kill()
    log = portal.log.read_text()
    assert [line for line in log.splitlines() if " ERROR " in line or " CRITICAL " in line] == []
    assert keycloak.client_secret not in log
    assert "eyJ" not in log  # how every token begins


@pytest.fixture
def somebody(administration: Administration) -> Callable[..., str]:
    """Makes a person of Keycloak with these groups, by full path, whom no other test knows; returns the username."""
    numbers = itertools.count()

    def make(*groups: str, **fields: object) -> str:
        name = f"somebody-{next(numbers)}-{id(numbers):x}"
        administration.add(name, *groups, **fields)
        return name

    return make


@pytest.fixture
def new_tab(chromium: Browser, portal: KeycloakPortal, keycloak: Keycloak) -> Iterator[Callable[[], Tab]]:
    """A tab of a browser of its own, each time. Whatever is written to its console as an error fails the test: CSP, broken scripts."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_tab() -> Tab:
        context = chromium.new_context()
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        return Tab(page, portal, keycloak)

    yield open_tab
    for context in contexts:
        context.close()
    assert [error for error in errors if not any(word in error for word in BROKEN_ON_PURPOSE)] == []


@pytest.fixture
def tab(new_tab: Callable[[], Tab]) -> Tab:
    return new_tab()
