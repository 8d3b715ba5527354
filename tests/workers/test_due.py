"""Who is due, and that nobody is taken twice."""

from __future__ import annotations

import threading
import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection

from tests.makers import make_worker
from workers.models import Worker
from workers.services.due import claim_cml, claim_labs, claim_region, due_places, next_slot

SECOND = timedelta(seconds=1)


@pytest.mark.django_db
def test_what_was_never_read_is_due_at_once_and_comes_first(now: datetime) -> None:
    late = make_worker(cml_due_at=now - 100 * SECOND)
    never = make_worker(cml_due_at=None)
    make_worker(cml_due_at=now + SECOND)

    claimed = claim_cml(limit=10, suspects=4, interval=300, now=now)

    assert [worker.pk for worker in claimed] == [never.pk, late.pk]


@pytest.mark.django_db
def test_a_claimed_worker_is_not_claimed_again_until_its_slot(now: datetime) -> None:
    make_worker()

    (worker,) = claim_cml(limit=10, suspects=4, interval=300, now=now)

    assert worker.cml_due_at is not None
    assert claim_cml(limit=10, suspects=4, interval=300, now=worker.cml_due_at - SECOND) == []
    assert len(claim_cml(limit=10, suspects=4, interval=300, now=worker.cml_due_at)) == 1


@pytest.mark.django_db
def test_only_running_machines_are_asked_for_cml(now: datetime) -> None:
    for state in ("pending", "stopping", "stopped", "shutting-down", "terminated", "lost", "failed"):
        make_worker(machine_state=state, service_state="unknown")

    assert claim_cml(limit=10, suspects=4, interval=300, now=now) == []


@pytest.mark.django_db
def test_the_fleet_is_spread_over_the_interval(now: datetime) -> None:
    for _ in range(60):
        make_worker()

    claimed = claim_cml(limit=100, suspects=4, interval=300, now=now)

    waits = sorted((w.cml_due_at - now).total_seconds() for w in claimed if w.cml_due_at)
    assert waits[0] >= 150
    assert waits[-1] <= 450
    # No minute of the interval is asked for more than twice its share.
    assert all(sum(start <= wait < start + 60 for wait in waits) <= 24 for start in range(150, 450, 60))


def test_a_worker_keeps_its_second_of_the_interval(now: datetime) -> None:
    worker_id = uuid.UUID("12345678-1234-4234-8234-123456789abc")

    slots = [next_slot(worker_id, interval=300, now=now + offset * SECOND) for offset in range(0, 3000, 7)]

    assert len({round(slot.timestamp() % 300, 3) for slot in slots}) == 1
    assert all(
        timedelta(seconds=150) <= slot - (now + 7 * k * SECOND) <= timedelta(seconds=450) for k, slot in enumerate(slots)
    )


@pytest.mark.django_db
def test_a_region_is_claimed_whole_and_once(now: datetime) -> None:
    here = {
        make_worker().pk,
        make_worker(machine_state="stopped", service_state="unknown").pk,
        make_worker(machine_state="lost").pk,
    }
    make_worker(region="us-west-2")
    make_worker(machine_state="terminated", service_state="unknown")

    assert set(claim_region("aws_due_at", region="us-east-1", interval=60, now=now)) == here
    assert claim_region("aws_due_at", region="us-east-1", interval=60, now=now + 59 * SECOND) == []
    assert set(claim_region("aws_due_at", region="us-east-1", interval=60, now=now + 60 * SECOND)) == here


@pytest.mark.django_db
def test_only_regions_with_something_due_are_named(now: datetime) -> None:
    later = now + 60 * SECOND
    make_worker(region="a", aws_due_at=later, metrics_due_at=later)
    make_worker(region="b", aws_due_at=later, metrics_due_at=None)
    make_worker(region="c", aws_due_at=now, metrics_due_at=later)
    make_worker(region="d", aws_due_at=later, metrics_due_at=None, machine_state="stopped", service_state="unknown")
    make_worker(region="e", machine_state="terminated", service_state="unknown")

    assert due_places(now=now) == [("", "b"), ("", "c")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("claim", ["cml", "labs", "region"])
def test_two_at_the_same_moment_share_the_work_and_double_none(claim: str, now: datetime) -> None:
    for _ in range(40):
        make_worker()
    barrier = threading.Barrier(4)
    taken: list[object] = []

    def work() -> None:
        try:
            barrier.wait()
            if claim == "cml":
                taken.extend(worker.pk for worker in claim_cml(limit=100, suspects=4, interval=300, now=now))
            elif claim == "labs":
                taken.extend(worker.pk for worker in claim_labs(limit=100, until=now + 300 * SECOND, now=now))
            else:
                taken.extend(claim_region("aws_due_at", region="us-east-1", interval=60, now=now))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, taken)) == sorted(str(pk) for pk in Worker.objects.values_list("pk", flat=True))
