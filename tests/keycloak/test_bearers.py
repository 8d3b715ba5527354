"""Tokens of a real Keycloak at the portal's API and stream."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.keycloak.administration import Administration
from tests.keycloak.flow import Visitor
from tests.keycloak.portal import KeycloakPortal
from tests.keycloak.server import Keycloak
from tests.keycloak.tab import Tab

pytestmark = [pytest.mark.keycloak, pytest.mark.browser]

Somebody = Callable[..., str]
Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(portal: KeycloakPortal) -> Ask:
    """A request with a token."""

    def request(token: str, path: str, method: str = "GET", **options: object) -> httpx.Response:
        return httpx.request(method, portal.url + path, headers={"Authorization": f"Bearer {token}"}, **options)  # type: ignore[arg-type]

    return request


def test_a_token_of_somebody_who_has_signed_in_opens_the_api(somebody: Somebody, tab: Tab, visitor: Visitor, ask: Ask) -> None:
    name = somebody("/cml/managers")
    token = visitor.device_token(name)["access_token"]
    before = ask(token, "/api/workers")
    assert before.status_code == 401
    assert "has never signed in here" in before.json()["detail"]

    tab.sign_in(name)

    me = ask(token, "/api/whoami").json()
    assert (me["username"], me["role"]) == (name, "manager")
    assert ask(token, "/api/workers").json()["total"] == 0
    wanted = {"name": "one", "region": "us-east-1", "image": "cisco-cml2*"}
    assert ask(token, "/api/workers/proposals", "POST", json=wanted).status_code == 403  # only administrators make workers
    # No session came of it.
    assert "set-cookie" not in ask(token, "/api/whoami").headers


def test_a_token_opens_the_stream_of_events(somebody: Somebody, tab: Tab, visitor: Visitor, portal: KeycloakPortal) -> None:
    name = somebody("/cml/users")
    tab.sign_in(name)
    headers = {"Authorization": f"Bearer {visitor.device_token(name)['access_token']}", "Accept": "text/event-stream"}
    with httpx.stream("GET", f"{portal.url}/api/events/stream?events=1", headers=headers, timeout=10) as stream:
        assert stream.status_code == 200
        assert any("hello" in line for line in stream.iter_lines())


def test_a_new_token_says_what_its_person_may_now(
    somebody: Somebody, tab: Tab, visitor: Visitor, ask: Ask, keycloak: Keycloak, administration: Administration
) -> None:
    """Without a browser: a script sees a demotion with its next token, and nothing at all once its person is disabled."""
    name = somebody("/cml/admins")
    tab.sign_in(name)
    first = visitor.device_token(name)
    assert ask(first["access_token"], "/api/whoami").json()["role"] == "admin"

    administration.move(name, "/cml/users")
    second = visitor.refreshed(first["refresh_token"])
    assert ask(second["access_token"], "/api/whoami").json()["role"] == "user"

    administration.change(name, enabled=False)
    assert visitor.post("token", **visitor.refreshing(second["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("for another audience", "another audience"),
        ("of the portal's own client", "not in OIDC_API_CLIENTS"),
        ("an ID token", "no access token"),
        ("a refresh token", "signed with"),
        ("of another realm", "a key that the provider does not publish"),
    ],
)
def test_a_token_that_was_made_for_something_else_is_refused(
    kind: str, said: str, somebody: Somebody, tab: Tab, visitor: Visitor, ask: Ask, administration: Administration
) -> None:
    name = somebody("/cml/admins")
    tab.sign_in(name)
    if kind == "for another audience":
        administration.add_client_like("cmlmanager-api", f"other-{name}", audience="another-api")
        token = visitor.device_token(name, f"other-{name}")["access_token"]
    elif kind == "of another realm":
        token = administration.token
    elif kind == "of the portal's own client":
        token = visitor.tokens(name)["access_token"]
    else:
        token = visitor.device_token(name)["id_token" if kind == "an ID token" else "refresh_token"]

    for path in ("/api/workers", "/api/events/stream?events=1"):
        answer = ask(token, path)
        assert answer.status_code == 401
        assert said in answer.text
        assert token not in answer.text
