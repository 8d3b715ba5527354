"""How alerts are opened, changed and closed: once each, in few queries, whoever looks at the same time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.makers import make_worker
from tests.workers.alerting import alerts_of, healthy, judged, measured
from workers.alert_choices import AlertSeverity
from workers.events import fragments
from workers.models import Alert, Delivery, Event, NotificationTarget, Sample, Worker
from workers.services import records
from workers.services.alerts import acknowledging, evaluation
from workers.services.alerts.acknowledging import Seen
from workers.services.operations.asking import Asker
from workers.services.record import Actor

pytestmark = pytest.mark.django_db


def person(user: User) -> Asker:
    return Asker(actor=Actor(kind="person", user=user), from_address="192.0.2.7")  # type: ignore[arg-type]


def story_of(alert: Alert) -> list[tuple[str, str, str]]:
    return list(Event.objects.filter(alert=alert).order_by("id").values_list("kind", "before", "after"))


def test_an_alert_opens_once_and_every_change_is_an_event(now: datetime) -> None:
    worker = healthy(now, license_state="unregistered")
    for _ in range(3):
        judged(now, worker)
    judged(now + timedelta(minutes=1), worker, license_state="expired")
    judged(now + timedelta(minutes=2), worker, license_state="unregistered")
    judged(now + timedelta(minutes=3), worker, license_state="registered")

    alert = Alert.objects.get()
    assert story_of(alert) == [
        ("alert.opened", "", "Warning"),
        ("alert.changed", "Warning", "Critical"),
        ("alert.changed", "Critical", "Warning"),
        ("alert.closed", "Warning", "Recovered"),
    ]
    assert alert.closing == "The licence is registered."
    assert (alert.opened_at, alert.changed_at, alert.closed_at) == tuple(now + timedelta(minutes=m) for m in (0, 2, 3))
    assert set(Event.objects.values_list("worker", "actor_kind")) == {(worker.pk, "system")}


def test_it_opens_again_as_another_one(now: datetime) -> None:
    worker = healthy(now, system_check="impaired")
    judged(now, worker)
    judged(now, worker, system_check="ok")
    judged(now, worker, system_check="impaired")

    assert Alert.objects.filter(kind="checks").count() == 2
    assert alerts_of(worker) == {"checks": "critical"}


def test_the_database_allows_one_open_alert_of_a_kind(now: datetime) -> None:
    worker = healthy(now, license_state="expired")
    judged(now, worker)
    copy = Alert.objects.get()
    copy.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save(force_insert=True)


def test_of_two_evaluations_at_once_one_opens_and_tells(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = healthy(now, license_state="expired")
    NotificationTarget.objects.create(name="Operators", kind="email", recipients=["ops@example.com"], created_at=now)
    honest = evaluation._write

    def write(plan: evaluation.Plan, *, now: datetime) -> None:
        # The other one commits between this one's look and its writing.
        monkeypatch.setattr(evaluation, "_write", honest)
        evaluation.evaluate(worker_ids=[worker.pk], now=now)
        honest(plan, now=now)

    monkeypatch.setattr(evaluation, "_write", write)
    evaluation.evaluate(worker_ids=[worker.pk], now=now)

    assert Alert.objects.count() == 1
    assert [delivery.type for delivery in Delivery.objects.all()] == ["alert.opened"]
    assert Event.objects.filter(kind="alert.opened").count() == 1


def test_what_is_acknowledged_stays_so_when_it_eases_and_is_lifted_when_it_gets_worse(now: datetime, miguel: User) -> None:
    worker = healthy(now, license_state="expired")
    judged(now, worker)
    alert = Alert.objects.get()
    acknowledging.acknowledge(seen=[Seen(alert.pk)], note="ordered", by=person(miguel), now=now)

    judged(now, worker, license_state="unregistered")
    alert.refresh_from_db()
    assert (alert.acknowledged_name, alert.severity) == ("miguel", "warning")

    judged(now, worker, license_state="expired")
    alert.refresh_from_db()
    assert (alert.acknowledged_at, alert.acknowledged_by, alert.acknowledged_name, alert.note) == (None, None, "", "")
    assert "acknowledgement" in Event.objects.filter(kind="alert.changed").latest("id").detail


def test_a_figure_that_moves_a_little_writes_nothing_and_much_is_no_event(now: datetime) -> None:
    worker = healthy(now)
    measured(worker, now, [88] * 3, figure="memory")
    judged(now, worker)
    later = now + timedelta(minutes=5)
    measured(worker, later, [90], figure="memory")
    assert evaluation.evaluate(worker_ids=[worker.pk], now=later) == 0

    later += timedelta(minutes=5)
    measured(worker, later, [94], figure="memory")
    assert evaluation.evaluate(worker_ids=[worker.pk], now=later) == 1
    alert = Alert.objects.get()
    assert (alert.value, alert.sentence) == (94, "Memory is at 94 %; warning from 85 % for 10 min.")
    assert len(story_of(alert)) == 1


def test_a_deleted_record_leaves_the_closed_alert_with_its_name(now: datetime, ada: User) -> None:
    worker = healthy(now, name="gone-for-good", machine_state="lost", service_state="unknown")
    judged(now, worker)

    records.delete_record(worker=worker, keep_instance=False, by=person(ada), now=now)

    alert = Alert.objects.get()
    assert (alert.worker, alert.worker_name, alert.close_reason) == (None, "gone-for-good", "deleted")
    assert story_of(alert)[-1] == ("alert.closed", "Critical", "Record deleted")


def test_an_alert_whose_worker_vanished_otherwise_is_closed_too(now: datetime) -> None:
    worker = healthy(now, license_state="expired")
    judged(now, worker)
    worker.delete()

    evaluation.evaluate(now=now)

    assert Alert.objects.get().close_reason == "deleted"


def test_news_goes_out_only_when_something_was_written(
    now: datetime, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: object
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(fragments, "publish", lambda messages: sent.extend(message.type for message in messages))
    worker = healthy(now, license_state="expired")

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        judged(now, worker)
    assert {"alerts.bell", "alerts.changed", f"row.{worker.pk}", f"worker.{worker.pk}"} <= set(sent)

    sent.clear()
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        judged(now, worker)
    assert sent == []


def queries(now: datetime) -> int:
    with CaptureQueriesContext(connection) as captured:
        evaluation.evaluate(now=now)
    return len(captured)


def many(now: datetime, count: int, **fields: object) -> None:
    moment = now - timedelta(seconds=20)
    rows = [
        Worker(
            name=f"many-{number}",
            region="us-east-1",
            instance_id=f"i-many{number}",
            machine_state="running",
            machine_state_since=now - timedelta(days=1),
            service_state="ready",
            license_state="registered",
            aws_checked_at=moment,
            aws_succeeded_at=moment,
            cml_checked_at=moment,
            cml_succeeded_at=moment,
            aws_due_at=now + timedelta(minutes=1),
            cml_due_at=now + timedelta(minutes=1),
            **fields,
        )
        for number in range(count)
    ]
    Worker.objects.bulk_create(rows)
    Sample.objects.bulk_create(
        [
            Sample(worker=worker, at=now - timedelta(minutes=5) * step, source="cml", cpu=50, memory=50, disk=99)
            for worker in rows
            for step in range(3)
        ]
    )


def test_looking_at_a_thousand_workers_costs_the_same_few_queries_as_at_one(now: datetime) -> None:
    healthy(now, service_state="unreachable")
    evaluation.evaluate(now=now)
    quiet = queries(now)
    many(now, 1000)
    evaluation.evaluate(now=now)
    assert Alert.objects.open().count() == 1001

    # One more for the measurements of those that are over a line.
    assert queries(now) <= quiet + 1 <= 9


def test_what_a_storm_writes_costs_queries_by_the_chunk_and_not_by_the_worker(now: datetime) -> None:
    many(now, 400)

    assert queries(now) <= 60

    assert Alert.objects.open().count() == 400
    assert Event.objects.filter(kind="alert.opened").count() == 400


def test_terminated_machines_that_have_nothing_open_are_not_looked_at(now: datetime) -> None:
    make_worker(machine_state="terminated", service_state="unknown")
    with CaptureQueriesContext(connection) as captured:
        evaluation.evaluate(now=now)
    assert len(captured) <= 9
    assert not Alert.objects.exists()


def test_severities_know_which_is_worse() -> None:
    critical, warning = AlertSeverity.CRITICAL, AlertSeverity.WARNING
    assert critical.is_worse_than(warning)
    assert not warning.is_worse_than(critical)
    assert not critical.is_worse_than(critical)
