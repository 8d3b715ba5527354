"""Every address of the portal, and requests to them that leave nothing behind. For tests that walk them all."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests import access
from tests.access import Row

ROOMS: dict[str, list[Row]] = {
    room.name: import_module(f"tests.access.{room.name}").ROWS for room in pkgutil.iter_modules(access.__path__)
}


def routes() -> Iterator[str]:
    """Every route of the URL configuration, spelt in full."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern).removeprefix("^")
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            else:
                yield normal(route)

    yield from walk(get_resolver().url_patterns, "")


def normal(route: str) -> str:
    """Two of the admin's own routes are regular expressions."""
    if "(?P<app_label>" in route:
        return "admin/<app_label>/"
    if route == "admin/(?P<url>.*)$":
        return "admin/<path:url>"
    return route


def address(route: str, arguments: Mapping[str, str], things: Mapping[str, str]) -> str:
    """The route with its places filled in; an argument that names one of `things` becomes its id."""
    filled = "/" + route
    for name, value in arguments.items():
        for kind in ("uuid:", "int:", "path:", "slug:", "str:", ""):
            filled = filled.replace(f"<{kind}{name}>", things.get(value, value))
    return filled


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written meanwhile is taken back: one database serves thousands of requests."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def ask(browser: Client, method: str, path: str, **headers: Any) -> HttpResponse:
    """One request of a browser whose cookies stay as they are. What is not caught is the answer 500."""
    cookies = SimpleCookie({name: morsel.value for name, morsel in browser.cookies.items()})
    browser.raise_request_exception = False
    try:
        with undone():
            return browser.generic(method, path, headers=headers or None)  # type: ignore[return-value]
    finally:
        browser.cookies = cookies
