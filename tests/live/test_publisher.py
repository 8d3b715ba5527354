"""Publishing never fails or delays the work that it reports."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import override_settings

from cmlmanager.live import publisher as publisher_module
from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import STREAM_KEY, Publisher, publish
from tests.live.portal import until
from tests.redis_server import RedisServer, free_port

NEWS = Message(channel="fleet", type="fleet.counts", data="<b>1</b>")


def types(server: RedisServer) -> list[str]:
    with server.client() as client:
        return [fields[b"type"].decode() for _, fields in client.xrange(STREAM_KEY)]


def seconds(publisher: Publisher) -> float:
    started = time.monotonic()
    publisher.publish([NEWS])
    return time.monotonic() - started


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "_PAUSE", 0.2)


def test_with_redis_away_publishing_is_bounded_and_after_that_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    publisher = Publisher(f"redis://127.0.0.1:{free_port()}/0")
    with caplog.at_level(logging.INFO):
        assert seconds(publisher) < 1
        assert seconds(publisher) < 0.05
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_redis_that_accepts_and_never_answers_delays_nobody_for_a_second(redis_server: RedisServer) -> None:
    publisher = Publisher(redis_server.url)
    publisher.publish([NEWS])
    redis_server.freeze()
    try:
        assert seconds(publisher) < 1
        assert seconds(publisher) < 0.05
    finally:
        redis_server.thaw()


def test_after_an_outage_pages_are_told_to_read_again_before_anything_else(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, quick: None
) -> None:
    publisher = Publisher(redis_server.url)
    redis_server.kill()
    with caplog.at_level(logging.INFO):
        publisher.publish([NEWS])
        publisher.publish([NEWS])
        redis_server.start()

        def arrived() -> list[str]:
            publisher.publish([NEWS])
            return types(redis_server)

        until(arrived, "the first message after the outage")
        publisher.publish([NEWS])
    assert types(redis_server) == ["reread", "fleet.counts", "fleet.counts"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_connection_that_a_restarted_redis_has_closed_loses_nothing(redis_server: RedisServer) -> None:
    publisher = Publisher(redis_server.url)
    publisher.publish([NEWS])
    redis_server.restart()
    publisher.publish([NEWS])
    assert types(redis_server) == ["fleet.counts"]


def test_unexpected_errors_stay_inside(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Iterator[Message]:
        yield NEWS
        raise RuntimeError("a template is broken")

    Publisher(redis_server.url).publish(broken())
    assert "a template is broken" in caplog.text
    assert types(redis_server) == []


def test_many_threads_may_publish_at_once(redis_server: RedisServer) -> None:
    publisher = Publisher(redis_server.url)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: publisher.publish([NEWS, NEWS]), range(100)))
    assert types(redis_server) == ["fleet.counts"] * 200


def test_the_stream_does_not_grow_without_end(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "STREAM_LENGTH", 100)
    publisher = Publisher(redis_server.url)
    for _ in range(5):
        publisher.publish([NEWS] * 200)
    assert 100 <= len(types(redis_server)) < 400


def test_a_forked_process_makes_its_own_connection(redis_server: RedisServer) -> None:
    with override_settings(REDIS_URL=redis_server.url):
        publisher_module.forget_connection()
        publish([NEWS])
        child = os.fork()
        if child == 0:
            fresh = publisher_module._publisher is None
            publish([NEWS])
            os._exit(0 if fresh else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        publish([NEWS])
    publisher_module.forget_connection()
    assert types(redis_server) == ["fleet.counts"] * 3
