"""One web process for the module's tests, and who is signed in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import chromium
from tests.live.pages import Pages
from tests.live.portal import Portal
from tests.redis_server import RedisServer, redis_server

__all__ = ["chromium", "redis_server"]

# Counts the connections of the server that a run with TEST_DATABASE_URL is about; without one there is nothing to count.
collect_ignore = [] if "TEST_DATABASE_URL" in os.environ else ["test_streams_on_postgresql.py"]

# What the browser and htmx say of connections and answers that tests break.
BROKEN_ON_PURPOSE = ("ERR_", "Failed to load resource", "Response Status Error Code")

SIGN_IN = """
from django.contrib.auth.models import Group
from django.test import Client
from accounts.models import User
for name, group in {people!r}:
    person = User.objects.create_user(username=name, password="a-long-password")
    if group:
        person.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(person)
    answer[name] = client.session.session_key
"""


@pytest.fixture(scope="module")
def valkey() -> Iterator[RedisServer]:
    """A Redis for all tests of a module; a test that kills it starts it again."""
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer) -> Iterator[Portal]:
    folder: Path = tmp_path_factory.mktemp("portal")
    portal = Portal(folder, valkey.url)
    portal.migrate()
    portal.start()
    yield portal
    portal.kill()


@pytest.fixture(scope="module")
def sessions(portal: Portal) -> dict[str, str]:
    """Session keys of signed-in people by name; each of the leavers is for one test that takes something from them."""
    people = [("viewer", "user"), ("nobody", None), ("signs-out", "user"), ("demoted", "user"), ("deactivated", "user")]
    people += [("second", "user"), ("half", None)]
    return portal.run(SIGN_IN.format(people=people))


@pytest.fixture
def pages() -> Iterator[Pages]:
    server = Pages()
    server.start()
    yield server
    server.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab. Whatever it writes to the console as an error fails the test, but for connections that tests break on purpose."""
    context = chromium.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert [error for error in errors if not any(word in error for word in BROKEN_ON_PURPOSE)] == []
