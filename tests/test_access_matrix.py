"""Every address × every method × every kind of person. An address that is in no table of tests.access fails the test: decide who may,
then write it down.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group

from accounts.models import User
from accounts.roles import Role, capabilities_of
from cmlmanager.live.authorize import Credential, judge_all
from tests.access import IN, METHODS, PEOPLE, TOKENS, Row
from tests.conftest import signed_in
from tests.routes import ROOMS, address, ask, routes
from tests.world import World

pytestmark = pytest.mark.django_db
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
        role = next((role for role in Role if role.value == who.removeprefix("token: ")), None)
        held = capabilities_of(role) if role else set()
        key = browser.cookies[settings.SESSION_COOKIE_NAME].value if browser.cookies else ""
        credential = Credential(session_key=key, authorization=world.headers.get(who, {}).get("Authorization", ""))
        channels = {name: {needed} for name, needed in settings.LIVE_CHANNELS.items()}
        channels |= {f"events.{name}".rstrip("."): set(needed) for name, needed in settings.LIVE_EVENTS.items()}
        [verdict] = judge_all([(credential, frozenset(channels))])
        wrong += [(who, name) for name, needed in channels.items() if (name in verdict.denied) == (needed <= held)]
    assert wrong == []


@pytest.mark.parametrize("route", ["", "history/", "actions/", "wipe/", "delete/"])
def test_a_lab_that_does_not_exist_is_404(route: str, ada: User) -> None:
    assert signed_in(ada).get(f"/labs/00000000-0000-4000-8000-000000000000/{route}").status_code == 404


@pytest.mark.parametrize("route", ["", "live/", "history/", "timeline/", "connection/", "labs/"])
def test_a_worker_that_does_not_exist_is_404(route: str, ada: User) -> None:
    assert signed_in(ada).get(f"/workers/00000000-0000-4000-8000-000000000000/{route}").status_code == 404


def test_someone_without_a_role_is_told_why_and_whom_to_ask(noah: User, settings: Any) -> None:
    settings.SUPPORT_CONTACT = "labs@example.com"

    page = signed_in(noah).get("/").content.decode()

    assert "labs@example.com" in page
    assert "sign-out" in page


def test_a_group_is_given_exactly_the_tables_permissions() -> None:
    for role in Role:
        held = {f"{p.content_type.app_label}.{p.codename}" for p in Group.objects.get(name=role.value).permissions.all()}
        assert held == capabilities_of(role)
