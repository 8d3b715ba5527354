"""One sandbox and one Chromium for the browser tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.chromium import chromium
from tests.sandbox_process import Sandbox, running_sandbox

__all__ = ["chromium"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "var") as found:
        yield found


def _is_error(message: ConsoleMessage) -> bool:
    """Whether it is an error. htmx logs a toast whose form was overtaken by its own news as one, though page.js puts it where it belongs."""
    return message.type == "error" and message.text != "htmx:oobErrorNoTarget, #messages"


@pytest.fixture
def open_as(chromium: Browser, sandbox: Sandbox) -> Iterator[Callable[..., Page]]:
    """Sign in as one of the three people and open a page; errors in its console fail the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(person: str, path: str = "/", *, width: int = 1440, height: int = 900, **options: object) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if _is_error(message) else None)
        page.goto(f"{sandbox.url}/sign-in/?next={quote(path)}")
        page.fill("input[name=login]", person)
        page.fill("input[name=password]", "test")
        page.press("input[name=password]", "Enter")
        page.wait_for_url(f"{sandbox.url}{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
