"""Figures of queue, news and streams, from a real Redis."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from cmlmanager.live import gauges
from cmlmanager.live.messages import reread
from cmlmanager.live.publisher import Publisher
from cmlmanager.system import health
from cmlmanager.system.choices import HealthState
from tests.redis_server import RedisServer


@pytest.fixture(autouse=True)
def valkey(redis_server: RedisServer, settings: Any) -> RedisServer:
    settings.REDIS_URL = redis_server.url
    return redis_server


def found(memory: Any = None) -> health.Finding:
    check = health.check_named("queue")
    assert check is not None
    return check.run(memory=memory)


def wait(server: RedisServer, *ages: float) -> None:
    """Messages in Celery's queue as kombu writes them, sent so many seconds ago, the oldest first."""
    with server.client() as client:
        for age in ages:
            client.lpush("celery", json.dumps({"body": "", "headers": {"cmlmanager_sent": time.time() - age}}))


def test_an_empty_redis_has_nothing_waiting() -> None:
    finding = found()

    assert finding.state == HealthState.OK
    assert (finding.facts["depth"], finding.facts["oldest_seconds"], finding.facts["streams"]) == (0, None, 0)


def test_the_oldest_that_waits_too_long_is_a_warning(valkey: RedisServer) -> None:
    wait(valkey, 90, 3, 1)

    finding = found()

    assert finding.state == HealthState.WARNING
    assert finding.sentence == "3 tasks wait for a Celery worker, the oldest for 90 s."
    assert finding.facts["depth"] == 3


def test_many_that_wait_are_a_warning(valkey: RedisServer) -> None:
    wait(valkey, *[1] * 501)

    assert found().sentence == "501 tasks wait for a Celery worker."


def test_a_message_of_somebody_elses_is_counted_and_has_no_age(valkey: RedisServer) -> None:
    with valkey.client() as client:
        client.lpush("celery", "garbage")

    assert found().facts["depth"] == 1


def test_news_are_counted_as_a_rate_between_two_looks(valkey: RedisServer) -> None:
    publisher = Publisher(valkey.url)
    publisher.publish([reread()])
    first = found()
    assert first.facts["published_per_second"] is None
    publisher.publish([reread()] * 30)

    second = found({**first.memory, "at": first.memory["at"] - 10})

    assert second.facts["published_per_second"] == pytest.approx(3, abs=0.3)
    assert second.facts["published"] == 31


def test_after_redis_began_anew_there_is_no_rate() -> None:
    assert found({"added": 500, "at": time.time() - 10}).facts["published_per_second"] is None


def test_news_that_were_dropped_while_redis_was_away_are_counted_when_it_is_back(valkey: RedisServer) -> None:
    publisher = Publisher(valkey.url)
    valkey.kill()
    publisher.publish([reread()] * 3)
    publisher.publish([reread()] * 2)  # not even tried
    valkey.start()
    publisher._closed_until = 0
    publisher.publish([reread()])

    assert found().facts["lost"] == 5


def test_streams_of_all_web_processes_are_added_and_a_dead_ones_forgotten(valkey: RedisServer) -> None:
    def told(streams: int, age: float = 0, connected: bool = True) -> str:
        return json.dumps({"streams": streams, "delivered": 9, "reader_connected": connected, "at": time.time() - age})

    with valkey.client() as client:
        client.hset(gauges.KEY, mapping={"a:1": told(3), "b:2": told(4), "dead:3": told(50, age=60)})
        finding = found()
        assert finding.facts["streams"] == 7
        assert [process["name"] for process in finding.facts["processes"]] == ["a:1", "b:2"]
        assert client.hlen(gauges.KEY) == 2

        client.hset(gauges.KEY, "a:1", told(3, connected=False))

    assert found().sentence == "a:1 does not hear the live stream: its pages read themselves again every minute."


def test_redis_away_is_said(valkey: RedisServer) -> None:
    valkey.kill()

    assert found().state == HealthState.FAILING
