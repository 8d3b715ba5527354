"""Every address × every method × every kind of person. An address that is in no table of tests.access fails the test: decide who may,
then write it down.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client

from accounts.models import User
from accounts.roles import Role, capabilities_of
from cmlmanager.live.authorize import judge_all
from tests.access import IN, METHODS, PEOPLE, TOKENS, Row
from tests.conftest import person_of, signed_in
from tests.labs.makers import make_lab
from tests.labs.saving import version_of
from tests.makers import make_worker
from tests.routes import ROOMS, address, ask, routes

MATRIX: list[Row] = [row for rows in ROOMS.values() for row in rows]
# Refused: not signed in, not allowed, not a method of this address.
REFUSALS = {401, 403, 405}
SIGN_IN = ("/sign-in/", "/admin/login/")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of refusals are meant here: not each needs a line."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@dataclass(frozen=True)
class World:
    """One database for all requests: browsers by person, and ids that rows name."""

    browsers: dict[str, Client]
    headers: dict[str, dict[str, str]]
    things: dict[str, str]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock(), transaction.atomic():
        password = make_password("not-a-word-of-any-list")
        roles = dict(zip(PEOPLE[1:], (None, *Role), strict=True))
        people = {name: person_of(name.replace(" ", "-"), role) for name, role in roles.items()}
        for person in people.values():
            person.password, person.is_staff = password, person.role == Role.ADMIN
            person.save()
        worker = make_worker()
        lab = make_lab(worker)
        things = {"worker": str(worker.pk), "lab": str(lab.pk), "version": str(version_of(lab).pk)}
        browsers = {"signed out": Client()} | {name: signed_in(person) for name, person in people.items()}
        browsers |= {name: Client() for name in TOKENS}
        yield World(browsers, _tokens(people), things)
        transaction.set_rollback(True)


def _tokens(people: dict[str, User]) -> dict[str, dict[str, str]]:
    """The header that a token of each scope sends. Tokens of nobody until there are some: pages must not care either way."""
    return {name: {"Authorization": "Bearer nobody"} for name in TOKENS}


def expectations(row: Row) -> dict[str, int]:
    """By person and token. A page answers a token, whatever its scope, as it answers somebody who is signed out: one is tried."""
    expected = row[3]
    if len(expected) == len(PEOPLE):
        return dict(zip((*PEOPLE, TOKENS[-1]), (*expected, expected[0]), strict=True))
    return dict(zip(PEOPLE + TOKENS, expected, strict=True))


@cache
def named() -> dict[str, dict[str, Row]]:
    """Rows by route and method: the first where there are several."""
    found: dict[str, dict[str, Row]] = {}
    for row in MATRIX:
        found.setdefault(row[1], {}).setdefault(row[0], row)
    return found


def test_every_address_is_in_the_matrix() -> None:
    in_matrix, existing = set(named()), set(routes())

    assert existing - in_matrix == set(), "addresses without a decision"
    assert in_matrix - existing == set(), "decisions about addresses that do not exist"


@pytest.mark.parametrize("room", ROOMS)
def test_who_may(room: str, world: World) -> None:
    wrong = []
    for row in ROOMS[room]:
        method, route, arguments, expected = row
        path = address(route, arguments, world.things)
        for who, status in expectations(row).items():
            answer = ask(world.browsers[who], method, path, **world.headers.get(who, {}))
            if answer.status_code != status:
                wrong.append(f"{method} {path} by {who}: {answer.status_code}, not {status}")
            leads_elsewhere = who == "signed out" and status == IN and not answer.get("Location", "").startswith(SIGN_IN)
            if expected[0] == IN and leads_elsewhere and route != "sign-out/":
                wrong.append(f"{method} {path} signed out leads to {answer.get('Location')}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_what_no_row_names_is_refused(room: str, world: World) -> None:
    wrong = []
    for route in dict.fromkeys(row[1] for row in ROOMS[room]):
        rows = named()[route]
        path = address(route, next(iter(rows.values()))[2], world.things)
        for method in METHODS:
            if method in rows:
                continue
            like = expectations(rows["GET"]) if method == "HEAD" and "GET" in rows else {}
            for who in expectations(next(iter(rows.values()))):
                answer = ask(world.browsers[who], method, path, **world.headers.get(who, {}))
                to_sign_in = answer.status_code == 302 and answer["Location"].startswith(SIGN_IN)
                refused = answer.status_code in REFUSALS or to_sign_in
                if answer.status_code != like[who] if like else not refused:
                    wrong.append(f"{method} {path} by {who}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_who_may_listen(world: World) -> None:
    """The stream is served beside Django's addresses; its doorkeeper asks the same table."""
    wrong = []
    for who, browser in world.browsers.items():
        role = next((role for role in Role if role.value == who), None)
        held = capabilities_of(role) if role else set()
        key = browser.cookies[settings.SESSION_COOKIE_NAME].value if browser.cookies else ""
        channels = {name: {needed} for name, needed in settings.LIVE_CHANNELS.items()}
        channels |= {f"events.{name}".rstrip("."): set(needed) for name, needed in settings.LIVE_EVENTS.items()}
        [verdict] = judge_all([(key, frozenset(channels))])
        wrong += [(who, name) for name, needed in channels.items() if (name in verdict.denied) == (needed <= held)]
    assert wrong == []


@pytest.mark.django_db
@pytest.mark.parametrize("route", ["", "history/", "actions/", "wipe/", "delete/"])
def test_a_lab_that_does_not_exist_is_404(route: str, ada: User) -> None:
    assert signed_in(ada).get(f"/labs/00000000-0000-4000-8000-000000000000/{route}").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("route", ["", "live/", "history/", "timeline/", "connection/", "labs/"])
def test_a_worker_that_does_not_exist_is_404(route: str, ada: User) -> None:
    assert signed_in(ada).get(f"/workers/00000000-0000-4000-8000-000000000000/{route}").status_code == 404


@pytest.mark.django_db
def test_someone_without_a_role_is_told_why_and_whom_to_ask(noah: User, settings: Any) -> None:
    settings.SUPPORT_CONTACT = "labs@example.com"

    page = signed_in(noah).get("/").content.decode()

    assert "labs@example.com" in page
    assert "sign-out" in page


@pytest.mark.django_db
def test_a_group_is_given_exactly_the_tables_permissions() -> None:
    for role in Role:
        held = {f"{p.content_type.app_label}.{p.codename}" for p in Group.objects.get(name=role.value).permissions.all()}
        assert held == capabilities_of(role)
