"""Two processes that judge or acknowledge at the same moment, with real transactions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from tests.workers.alerting import healthy
from workers.models import Alert, Event
from workers.services.alerts.acknowledging import Outcome, Seen, acknowledge
from workers.services.alerts.evaluation import evaluate
from workers.services.operations.asking import Asker
from workers.services.record import Actor

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work: Callable[[int], Any], count: int = 4) -> list[Any]:
    """What `work` returns in threads that begin together, each with its own connection."""
    barrier = Barrier(count)

    def one(number: int) -> Any:
        try:
            barrier.wait(10)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_four_evaluations_open_one_and_close_one_and_four_people_acknowledge_it_once(now: datetime) -> None:
    worker = healthy(now, license_state="expired")

    at_once(lambda _: evaluate(worker_ids=[worker.pk], now=now))

    assert Event.objects.filter(kind="alert.opened").count() == 1
    alert = Alert.objects.get()
    people = [User.objects.create_user(username=f"person-{number}") for number in range(4)]

    def know(number: int) -> Outcome:
        by = Asker(actor=Actor(kind="person", user=people[number]))  # type: ignore[arg-type]
        return acknowledge(seen=[Seen(alert.pk)], note="", by=by, now=now)

    outcomes = at_once(know)

    assert sorted(len(outcome.changed) for outcome in outcomes) == [0, 0, 0, 1]
    alert.refresh_from_db()
    assert Event.objects.get(kind="alert.acknowledged").actor_name == alert.acknowledged_name

    type(worker).objects.filter(pk=worker.pk).update(license_state="registered")
    at_once(lambda _: evaluate(now=now))

    assert Event.objects.filter(kind="alert.closed").count() == 1
