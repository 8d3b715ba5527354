"""The access matrix of the provider's doors while they are open: every method × every kind of person."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from tests.access import PEOPLE
from tests.conftest import signed_in
from tests.openid_provider import OpenIdProvider, provider

__all__ = ["provider"]
pytestmark = pytest.mark.django_db
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# By route: the one method that is answered, and with which status to each of PEOPLE.
DOORS = {
    "authenticate": ("GET", (302, 302, 302, 302, 302)),
    "callback": ("GET", (302, 302, 302, 302, 302)),
    "backchannel-logout": ("POST", (400, 400, 400, 400, 400)),  # without a logout token
}


@pytest.mark.parametrize("door", DOORS)
def test_who_gets_what(door: str, provider: OpenIdProvider, noah: User, uma: User, miguel: User, ada: User) -> None:
    people = dict(zip(PEOPLE[1:], (noah, uma, miguel, ada), strict=True))
    browsers = {"signed out": Client()} | {name: signed_in(person) for name, person in people.items()}
    open_to, expected = DOORS[door]

    for method in METHODS:
        answers = {who: browser.generic(method, f"/oidc/{door}/") for who, browser in browsers.items()}
        wanted = expected if method == open_to else (405,) * len(PEOPLE)
        assert tuple(answers[who].status_code for who in PEOPLE) == wanted, method
        assert all("no-store" in answer.get("Cache-Control", "") for answer in answers.values() if answer.status_code != 405)


def test_where_they_lead(provider: OpenIdProvider, uma: User) -> None:
    assert Client().get("/oidc/authenticate/")["Location"].startswith(provider.issuer)
    assert Client().get("/oidc/callback/")["Location"] == "/sign-in/?problem=state"
    assert signed_in(uma).get("/oidc/callback/")["Location"] == "/"
