"""Programs on the stream: a bearer token in the header, judged again while the stream is open."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live.conftest import SIGN_IN
from tests.live.portal import Portal
from tests.redis_server import RedisServer

STREAM = "/api/events/stream"
TOKENS = """
from django.contrib.auth.models import Group
from django.utils import timezone
from accounts.models import User
from accounts.roles import Role
from accounts.services import tokens
for name, role in {people!r}:
    person, _ = User.objects.get_or_create(username=name)
    person.groups.set([Group.objects.get(name=role)])
    made = tokens.make(person, name="script", scope=Role.USER, days=1, by=person, address=None, now=timezone.now())
    answer[name] = made[1]
"""


@pytest.fixture(scope="module")
def bearers(portal: Portal) -> dict[str, str]:
    people = [(name, "user") for name in ("reads", "revoked", "switched-off", "without-role", "expires")]
    people.append(("operator", "admin"))
    return portal.run(TOKENS.format(people=people))


def ask(portal: Portal, query: str = "?events=1", **headers: str) -> httpx.Response:
    return httpx.get(f"{portal.url}{STREAM}{query}", headers={"Accept": "application/json"} | headers)


def test_a_token_opens_the_stream_of_events(portal: Portal, bearers: dict[str, str]) -> None:
    stream = portal.stream("", "events", authorization=f"Bearer {bearers['reads']}").read_hello()
    assert stream.head.startswith(b"HTTP/1.1 200")
    stream.close()
    used = portal.run(
        "from accounts.models import ApiToken\nanswer['from'] = ApiToken.objects.get(user__username='reads').last_used_from"
    )
    assert used["from"] == "127.0.0.1"


def test_a_token_may_only_what_its_role_may(portal: Portal, bearers: dict[str, str]) -> None:
    """`operator` is an administrator, whose token is for the role user."""
    header = {"Authorization": f"Bearer {bearers['operator']}"}
    assert ask(portal, "?channel=fleet", **header).status_code == 200
    assert ask(portal, "?channel=notifications", **header).status_code == 403


@pytest.mark.parametrize("authorization", ["Bearer cmlm_nonsense", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer "])
def test_what_is_no_token_is_refused_with_a_challenge(portal: Portal, authorization: str) -> None:
    answer = ask(portal, Authorization=authorization.strip() if authorization == "Bearer " else authorization)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="CML Cloud Manager", error="invalid_token"'
    assert answer.json()["detail"]


def test_without_anything_the_challenge_says_what_is_wanted(portal: Portal) -> None:
    assert ask(portal).headers["www-authenticate"] == 'Bearer realm="CML Cloud Manager"'


@pytest.mark.parametrize("name", ["access_token", "token"])
def test_a_token_in_an_address_is_refused_even_beside_a_good_header(portal: Portal, bearers: dict[str, str], name: str) -> None:
    good = bearers["reads"]
    answer = ask(portal, f"?events=1&{name}={good}", Authorization=f"Bearer {good}")
    assert answer.status_code == 400
    assert "logs" in answer.json()["detail"]
    assert good not in answer.text


def test_the_header_of_a_proxy_does_not_stand_in_the_way_of_a_session(portal: Portal, sessions: dict[str, str]) -> None:
    assert portal.get(sessions["viewer"], "?channel=fleet", Authorization="Basic dXNlcjpwYXNz").status_code == 200


def test_a_bad_token_is_not_made_good_by_a_session(portal: Portal, sessions: dict[str, str]) -> None:
    assert portal.get(sessions["viewer"], "?channel=fleet", Authorization="Bearer cmlm_nonsense").status_code == 401


LOSSES = {
    "revoked": (
        (
            "from accounts.models import ApiToken\nfrom accounts.services import tokens\nfrom django.utils import timezone\n"
            "tokens.revoke(ApiToken.objects.get(user__username='revoked'), by=None, address=None, now=timezone.now())"
        ),
        "signed-out",
        "revoked",
    ),
    "switched-off": (
        "from accounts.models import User\nUser.objects.filter(username='switched-off').update(is_active=False)",
        "signed-out",
        "switched off",
    ),
    "without-role": (
        "from accounts.models import User\nUser.objects.get(username='without-role').groups.clear()",
        "forbidden",
        "no longer",
    ),
    "expires": (
        (
            "from accounts.models import ApiToken\nfrom django.db.models import F\nfrom datetime import timedelta\n"
            "ApiToken.objects.filter(user__username='expires').update("
            "created_at=F('created_at') - timedelta(days=2), expires_at=F('expires_at') - timedelta(days=2))"
        ),
        "signed-out",
        "expired",
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_token_that_loses_its_power_loses_its_stream(portal: Portal, bearers: dict[str, str], name: str) -> None:
    code, condition, word = LOSSES[name]
    stream = portal.stream("", "events", authorization=f"Bearer {bearers[name]}").read_hello()
    portal.run(code)
    stream.read(lambda s: s.ended, "the end of the stream", 10)
    said = json.loads(stream.data("stream-error")[0])
    assert said["condition"] == condition
    assert word in said["text"]


# ── As it is run ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def as_run(tmp_path: Path, valkey: RedisServer) -> Iterator[Portal]:
    """The portal with its own settings: nothing is quicker than in production."""
    portal = Portal(tmp_path, valkey.url)
    portal.environment["DJANGO_SETTINGS_MODULE"] = "cmlmanager.settings"
    portal.migrate()
    portal.start()
    yield portal
    portal.kill()


@pytest.mark.slow
def test_with_the_settings_of_production_every_stream_ends_within_thirty_seconds(
    as_run: Portal, record_property: pytest.RecordProperty
) -> None:
    people = [("signs-out", "user"), ("deactivated", "user"), ("demoted", "user")]
    sessions = as_run.run(SIGN_IN.format(people=people))
    bearers = as_run.run(TOKENS.format(people=[("revoked", "user")]))
    streams = {name: as_run.stream(key, "fleet").read_hello() for name, key in sessions.items()}
    streams["revoked"] = as_run.stream("", "events", authorization=f"Bearer {bearers['revoked']}").read_hello()
    as_run.run(
        "from accounts.models import SignIn, User\n"
        "SignIn.objects.filter(user__username='signs-out').delete()\n"
        "User.objects.filter(username='deactivated').update(is_active=False)\n"
        "User.objects.get(username='demoted').groups.clear()\n" + LOSSES["revoked"][0]
    )
    started = time.monotonic()
    # Refused at once, whatever the streams still do.
    assert [as_run.get(sessions[name], "?channel=fleet").status_code for name in ("signs-out", "deactivated", "demoted")] == [
        401,
        401,
        403,
    ]
    for name, stream in streams.items():
        stream.read(lambda s: s.ended, f"the end of the stream of {name}", 30)
        record_property(f"{name}_seconds", round(time.monotonic() - started, 1))
    took = time.monotonic() - started
    print(f"All four streams had ended after {took:.1f} s.")
    assert took < 30
