"""Every address × every kind of person. An address that is in no table of tests.access fails the test: decide who may, then write it down."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from tests import access
from tests.access import IN, PEOPLE, Row
from tests.conftest import signed_in
from tests.labs.makers import make_lab
from tests.labs.saving import version_of
from tests.makers import make_worker

pytestmark = pytest.mark.django_db
MATRIX: list[Row] = [
    row for room in pkgutil.iter_modules(access.__path__) for row in import_module(f"tests.access.{room.name}").ROWS
]


def routes() -> Iterator[str]:
    """Every route of the URL configuration, spelt in full."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern).removeprefix("^")
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route

    yield from walk(get_resolver().url_patterns, "")


def normal(route: str) -> str:
    """Two of the admin's own routes are regular expressions."""
    if "(?P<app_label>" in route:
        return "admin/<app_label>/"
    if route == "admin/(?P<url>.*)$":
        return "admin/<path:url>"
    return route


def test_every_address_is_in_the_matrix() -> None:
    in_matrix = {route for _, route, _, _ in MATRIX}
    existing = {normal(route) for route in routes()}

    assert existing - in_matrix == set(), "addresses without a decision"
    assert in_matrix - existing == set(), "decisions about addresses that do not exist"


@pytest.fixture
def browsers(noah: User, uma: User, miguel: User, ada: User) -> dict[str, Client]:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    people = dict(zip(PEOPLE[1:], (noah, uma, miguel, ada), strict=True))
    return {"signed out": Client()} | {name: signed_in(person) for name, person in people.items()}


@pytest.mark.parametrize(
    ("method", "route", "arguments", "expected"), MATRIX, ids=lambda value: value if isinstance(value, str) else ""
)
def test_who_may(
    method: str, route: str, arguments: dict[str, str], expected: tuple[int, ...], browsers: dict[str, Client]
) -> None:
    worker = make_worker()
    things = {"worker": str(worker.pk), "lab": str((lab := make_lab(worker)).pk), "version": str(version_of(lab).pk)}
    address = "/" + route
    for name, value in arguments.items():
        for placeholder in (f"<uuid:{name}>", f"<int:{name}>", f"<slug:{name}>", f"<path:{name}>", f"<{name}>"):
            address = address.replace(placeholder, things.get(value, value))

    answers = {person: browser.generic(method, address) for person, browser in browsers.items()}

    assert tuple(answers[person].status_code for person in PEOPLE) == expected
    if expected[0] == IN and "sign-out" not in route:
        # The admin's own sign-in address leads on to the portal's, which its line of the matrix shows.
        assert answers["signed out"]["Location"].startswith(("/sign-in/", "/admin/login/"))


@pytest.mark.parametrize("route", ["", "history/", "actions/", "wipe/", "delete/"])
def test_a_lab_that_does_not_exist_is_404(route: str, ada: User) -> None:
    assert signed_in(ada).get(f"/labs/00000000-0000-4000-8000-000000000000/{route}").status_code == 404


@pytest.mark.parametrize("route", ["", "live/", "history/", "timeline/", "connection/", "labs/"])
def test_a_worker_that_does_not_exist_is_404(route: str, ada: User) -> None:
    assert signed_in(ada).get(f"/workers/00000000-0000-4000-8000-000000000000/{route}").status_code == 404


def test_someone_without_a_role_is_told_why_and_whom_to_ask(noah: User, settings: object) -> None:
    settings.SUPPORT_CONTACT = "labs@example.com"  # type: ignore[attr-defined]

    page = signed_in(noah).get("/").content.decode()

    assert "labs@example.com" in page
    assert "sign-out" in page


def test_a_group_is_given_exactly_the_tables_permissions(db: None) -> None:
    from accounts.roles import Role, capabilities_of

    for role in Role:
        held = {f"{p.content_type.app_label}.{p.codename}" for p in Group.objects.get(name=role.value).permissions.all()}
        assert held == capabilities_of(role)
