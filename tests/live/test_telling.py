"""Facts leave when what they tell of is committed, together, and never at its cost."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from accounts.models import User
from cmlmanager.live import publisher as publisher_module
from cmlmanager.live import telling
from cmlmanager.live.facts import EVENTS_KEY, Fact, fact
from cmlmanager.live.telling import tell
from tests.makers import make_worker
from tests.operating import K, by
from tests.redis_server import RedisServer, redis_server
from workers.models import Operation, Worker
from workers.services import record
from workers.services.operations import asking

__all__ = ["redis_server"]
pytestmark = pytest.mark.django_db(transaction=True)


def news(n: int) -> Fact:
    return fact("n", at=timezone.now(), topics=["workers"], n=n)


def told(server: RedisServer) -> list[int]:
    with server.client() as client:
        return [json.loads(fields[b"data"])["n"] for _, fields in client.xrange(EVENTS_KEY)]


@pytest.fixture(autouse=True)
def redis_of_the_test(redis_server: RedisServer) -> Iterator[None]:
    publisher_module.forget_connection()
    with override_settings(REDIS_URL=redis_server.url):
        yield
    publisher_module.forget_connection()


def test_nothing_is_told_before_the_commit_and_nothing_of_a_rollback(redis_server: RedisServer) -> None:
    with transaction.atomic():
        tell(news(1))
        assert told(redis_server) == []
    assert told(redis_server) == [1]
    with transaction.atomic():
        tell(news(2))
        transaction.set_rollback(True)
    assert told(redis_server) == [1]


def test_what_a_savepoint_took_back_is_not_told_and_the_rest_is(redis_server: RedisServer) -> None:
    with transaction.atomic():
        tell(news(1))
        with transaction.atomic():
            tell(news(2), news(3))
            with transaction.atomic():
                tell(news(4))
            tell(news(5))
            transaction.set_rollback(True)
        tell(news(6))
        with transaction.atomic():
            tell(news(7))
        tell(news(8))
    assert sorted(told(redis_server)) == [1, 6, 7, 8]


def test_without_a_transaction_it_is_told_at_once(redis_server: RedisServer) -> None:
    tell(news(1))
    assert told(redis_server) == [1]


def test_a_transaction_that_tells_a_thousand_times_publishes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[list[Any]] = []
    monkeypatch.setattr(telling, "publish", lambda facts: published.append(list(facts)))
    with transaction.atomic():
        for n in range(1_000):
            tell(news(n))
    assert [len(facts) for facts in published] == [1_000]


# ── Redis is away ──────────────────────────────────────────────────────────────────────────────────────────────────


def renamed(workers: list[Worker], name: str, now: datetime) -> float:
    """Seconds for as many transactions as there are workers."""
    started = time.monotonic()
    for worker in workers:
        with transaction.atomic():
            assert record.apply(worker, {"name": f"{name} {worker.instance_id}"}, actor=record.EC2, now=now) is not None
    return time.monotonic() - started


def test_a_redis_that_was_killed_neither_fails_nor_slows_what_is_told(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, now: datetime
) -> None:
    workers = [make_worker() for _ in range(100)]
    with caplog.at_level(logging.WARNING):
        there = renamed(workers, "there", now)
        redis_server.kill()
        away = renamed(workers, "away", now)
    assert set(Worker.objects.values_list("name", flat=True)) == {f"away {worker.instance_id}" for worker in workers}
    assert away < there * 2 + 1
    [said] = [r.message for r in caplog.records if r.name.startswith("cmlmanager.live")]
    assert said.startswith("Redis does not take live updates")


def test_an_operation_is_recorded_while_redis_hangs(redis_server: RedisServer, miguel: User) -> None:
    def seconds() -> float:
        started = time.monotonic()
        asking.ask(kind=K.STOP, worker=make_worker(), by=by(miguel), now=timezone.now())
        return time.monotonic() - started

    there = seconds()
    redis_server.freeze()
    try:
        away = seconds()
    finally:
        redis_server.thaw()
    assert Operation.objects.count() == 2
    # One publish waits under a second; whatever else this transaction publishes does not even try.
    assert away < there + 1.5
