"""Intervals change while the portal runs: what was planned by the longer one is pulled forward, and nothing runs twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from cmlmanager.runtime import changing, turns
from labs.models import LabsBackup
from tests.makers import make_worker
from workers.choices import ActorKind
from workers.models import Alert, Event, RegionCheck, Worker
from workers.services import due, fleet_refresh, retention
from workers.services.alerts import evaluation
from workers.services.operations.asking import Asker
from workers.services.record import Actor

pytestmark = pytest.mark.django_db


def change(by: User, now: datetime, **wanted: Any) -> None:
    asker = Asker(actor=Actor(kind=ActorKind.PERSON, user=by))
    changing.change(wanted=wanted, seen={}, by=asker, now=now)


def test_a_shorter_interval_holds_from_the_next_tick_on(now: datetime, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[str] = []
    monkeypatch.setattr("workers.queue.refresh_region", lambda *, region: queued.append(region))
    worker = make_worker(aws_due_at=now + timedelta(seconds=59), metrics_due_at=now + timedelta(seconds=290))
    fleet_refresh.tick(now=now)
    assert queued == []

    change(ada, now, STATE_INTERVAL=5)
    fleet_refresh.tick(now=now)

    assert queued == [worker.region]
    worker.refresh_from_db()
    assert worker.aws_due_at == now
    assert worker.metrics_due_at == now + timedelta(seconds=290)


def test_a_longer_interval_holds_after_the_looks_that_were_planned(now: datetime, ada: User) -> None:
    make_worker(aws_due_at=now)
    change(ada, now, STATE_INTERVAL=60)

    due.claim_region("aws_due_at", region="us-east-1", interval=60 - 1, now=now)

    assert Worker.objects.get().aws_due_at == now + timedelta(seconds=59)


def test_a_fleet_that_is_pulled_forward_does_not_come_at_once(now: datetime) -> None:
    for _ in range(40):
        make_worker(cml_due_at=now + timedelta(seconds=3000))

    assert due.pull_forward("cml_due_at", within=90, over=90, now=now) == 40

    times = set(Worker.objects.values_list("cml_due_at", flat=True))
    assert len(times) > 5
    assert all(now <= at < now + timedelta(seconds=90) for at in times)
    assert due.pull_forward("cml_due_at", within=90, over=90, now=now) == 0


def test_a_job_runs_once_an_interval_whoever_ticks(now: datetime) -> None:
    took = [turns.take("alerts", interval=30, now=now + timedelta(seconds=s)) for s in (0, 0, 2, 29, 30, 30, 31, 60)]

    assert took == [True, False, False, False, True, False, False, True]
    assert turns.take("alerts", interval=5, now=now + timedelta(seconds=65)), "a shorter interval holds at once"
    assert turns.take("alerts", interval=30, now=now), "a clock that was put back"


def test_alerts_are_judged_when_their_time_has_come(now: datetime, ada: User) -> None:
    make_worker(aws_succeeded_at=now - timedelta(days=1), machine_state="stopped", aws_due_at=now + timedelta(minutes=1))
    evaluation.tick(now=now - timedelta(seconds=10))
    opened = Alert.objects.count()

    make_worker(aws_succeeded_at=now - timedelta(days=1), machine_state="stopped", aws_due_at=now + timedelta(minutes=1))
    assert evaluation.tick(now=now) == 0
    change(ada, now, ALERT_INTERVAL=10)

    assert evaluation.tick(now=now) >= 1
    assert Alert.objects.count() > opened


def test_what_discovery_looks_for_is_looked_for_soon(now: datetime, ada: User) -> None:
    RegionCheck.objects.create(region="us-east-1", discovery_due_at=now + timedelta(hours=1))

    change(ada, now, DISCOVERY=True, DISCOVERY_TAG="Team=training")

    soon = RegionCheck.objects.get().discovery_due_at
    assert soon is not None
    # Later than any process may still believe the former value.
    assert timedelta(seconds=2) < soon - now < timedelta(seconds=10)


def test_another_night_is_planned_anew(ada: User) -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    later = LabsBackup.objects.create(worker=make_worker(), due_at=now + timedelta(hours=13))
    overdue = LabsBackup.objects.create(worker=make_worker(), due_at=now - timedelta(minutes=1))

    change(ada, now, LABS_NIGHTLY_HOUR=20, LABS_NIGHTLY_MINUTES=10)

    later.refresh_from_db()
    overdue.refresh_from_db()
    assert now.replace(hour=20) <= later.due_at < now.replace(hour=20, minute=10)
    assert overdue.due_at == now - timedelta(minutes=1)


def test_closed_alerts_past_their_time_go_and_their_lines_stay(now: datetime, ada: User) -> None:
    def alert(**fields: Any) -> Alert:
        worker = make_worker()
        start = now - timedelta(days=500)
        return Alert.objects.create(
            **{"worker": worker, "worker_name": worker.name, "region": "us-east-1", "kind": "cpu", "severity": "warning"}
            | {"worst": "warning", "sentence": "CPU", "since": start, "opened_at": start, "changed_at": start}
            | fields
        )

    closed = {"close_reason": "recovered", "closing": "It is well."}
    old = alert(closed_at=now - timedelta(days=31), **closed)
    young = alert(closed_at=now - timedelta(days=29), **closed)
    still_open = alert()
    line = Event.objects.create(at=now, kind="alert.closed", actor_kind="system", alert=old)
    change(ada, now, ALERT_DAYS=30)

    assert retention.prune_alerts(now=now) == 1

    assert set(Alert.objects.all()) == {young, still_open}
    line.refresh_from_db()
    assert line.alert is None
