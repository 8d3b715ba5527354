"""Open streams hold no connection of a database server, whose connections are few."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.utils import timezone

from cmlmanager.live.facts import fact
from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import Publisher
from tests.live.conftest import SIGN_IN
from tests.live.portal import Portal, until
from tests.redis_server import RedisServer

SERVER = os.environ.get("TEST_DATABASE_URL", "")
DATABASE = "cmlmanager_streams"
pytestmark = pytest.mark.slow  # collected by a run on PostgreSQL only, see conftest


def execute(statement: str) -> list[tuple[int]]:
    """On the server itself, outside of Django, which has a database of its own in tests."""
    import psycopg

    with psycopg.connect(urlunsplit(urlsplit(SERVER)._replace(path="/postgres")), autocommit=True) as server:
        cursor = server.execute(statement)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def connections() -> int:
    return execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{DATABASE}'")[0][0]


@pytest.fixture
def portal_on_postgresql(tmp_path: Path, valkey: RedisServer) -> Iterator[Portal]:
    execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    execute(f"CREATE DATABASE {DATABASE}")
    portal = Portal(tmp_path, valkey.url)
    portal.environment["DATABASE_URL"] = urlunsplit(urlsplit(SERVER)._replace(path=f"/{DATABASE}"))
    try:
        portal.migrate()
        portal.start()
        yield portal
    finally:
        portal.kill()
        execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def test_five_hundred_streams_hold_no_connection(portal_on_postgresql: Portal, valkey: RedisServer) -> None:
    portal = portal_on_postgresql
    sessions = portal.run(SIGN_IN.format(people=[("one", "user"), ("two", "user")]))
    streams = [portal.stream(sessions["one"], "fleet", f"row.{number}").read_hello() for number in range(250)]
    streams += [portal.stream(sessions["two"], "events").read_hello() for _ in range(250)]
    news = fact("all", at=timezone.now(), topics=["workers"])
    Publisher(valkey.url).publish([Message(channel="fleet", type="all", data="<i></i>"), news])
    for stream in streams:
        stream.read(lambda s: "all" in s.types(), "an event on each")
    # The re-check, twice a second here, opens one for a moment.
    until(lambda: connections() == 0, "no connection at all")
    assert not any(stream.ended for stream in streams)
    for stream in streams:
        stream.close()
