"""What the database itself holds together."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from tests.makers import make_worker
from workers.models import Event, RegionCheck, Sample, Worker
from workers.services import record

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "fields",
    [
        {"machine_state": "asleep"},
        {"service_state": "fine"},
        {"license_state": "bought"},
        {"cpu": 101},
        {"memory": -1},
        {"disk": 100.5},
    ],
    ids=str,
)
def test_impossible_values_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_worker(**fields)


def test_an_instance_is_one_worker_and_many_may_have_none() -> None:
    make_worker(instance_id="i-1")
    make_worker(instance_id="", machine_state="failed")
    make_worker(instance_id="", machine_state="failed")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_worker(instance_id="i-1")


def test_events_are_never_edited_or_deleted(now: datetime, uma: User) -> None:
    worker = make_worker()
    event = record.event_of(worker, "worker.state", actor=record.EC2, now=now)  # type: ignore[arg-type]
    event.save()

    for forbidden in (event.save, event.delete, lambda: Event.objects.update(before="x"), Event.objects.all().delete):
        with pytest.raises(TypeError):
            forbidden()

    worker.delete()
    assert Event.objects.get().worker_name == worker.name


def test_a_sample_is_stored_once(now: datetime) -> None:
    worker = make_worker()
    Sample.objects.create(worker=worker, at=now, source="cml")
    Sample.objects.create(worker=worker, at=now, source="cloudwatch")
    with pytest.raises(IntegrityError), transaction.atomic():
        Sample.objects.create(worker=worker, at=now, source="cml")


def test_a_region_that_fails_says_since_when_and_why(now: datetime) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        RegionCheck.objects.create(region="a", failing_since=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        RegionCheck.objects.create(region="b", error="Why.")


def test_words_and_properties_of_a_worker_cost_no_query(django_assert_num_queries: object) -> None:
    worker = Worker.objects.get(pk=make_worker(name="").pk)
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert str(worker) == worker.instance_id
        assert worker.machine.look.tone == "good"
        assert worker.service.look.icon
        assert worker.license.look.hint
        assert worker.endpoint.startswith("https://")
        assert worker.get_absolute_url()


def test_two_writers_leave_one_change_and_one_event(now: datetime) -> None:
    worker = make_worker()
    mine, yours = Worker.objects.get(pk=worker.pk), Worker.objects.get(pk=worker.pk)

    first = record.apply(mine, {"machine_state": "stopping"}, actor=record.EC2, now=now)
    second = record.apply(yours, {"machine_state": "stopped"}, actor=record.EC2, now=now)

    assert first is not None
    assert [(event.before, event.after) for event in first] == [("Running", "Stopping")]
    assert second is None
    worker.refresh_from_db()
    assert (worker.machine_state, worker.machine_state_since) == ("stopping", now)
