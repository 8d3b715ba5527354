"""How much one person or token may ask."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from cmlmanager.api import limits
from tests.api.test_requests import problem
from tests.conftest import signed_in
from tests.makers import make_worker
from tests.redis_server import RedisServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> Any:
    settings.API_READS_PER_MINUTE, settings.API_WRITES_PER_MINUTE = 3, 1
    limits.forget()
    yield
    limits.forget()


@pytest.fixture(autouse=True)
def one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.time, "time", lambda: 1_000_000_040.0)


def test_reads_and_writes_are_counted_apart_and_for_each_person(ada: User, uma: User) -> None:
    worker = make_worker(machine_state="stopped")
    browser = signed_in(ada)

    answers = [browser.get("/api/workers") for _ in range(4)]
    write = browser.post(f"/api/workers/{worker.pk}/start", {}, content_type="application/json")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[0]["RateLimit-Limit"] == "3"
    assert answers[3]["Retry-After"] == answers[3]["RateLimit-Reset"] == "40"
    assert "At most 3 reads a minute" in problem(answers[3], "too-many")["detail"]
    assert write.status_code == 202
    assert signed_in(uma).get("/api/workers").status_code == 200


def test_all_web_processes_count_together(ada: User, settings: Any, redis_server: RedisServer) -> None:
    settings.REDIS_URL = redis_server.url
    first = signed_in(ada).get("/api/workers")
    limits.forget()  # another process
    second = signed_in(ada).get("/api/workers")
    with redis_server.client() as kept:
        lives = [kept.ttl(key) for key in kept.scan_iter("cmlmanager:api:*")]

    assert (first["RateLimit-Remaining"], second["RateLimit-Remaining"]) == ("2", "1")
    assert all(0 < seconds <= 120 for seconds in lives)
    assert lives
