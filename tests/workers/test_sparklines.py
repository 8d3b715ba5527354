"""The CPU of the last three hours in rows of a table."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.makers import make_worker
from workers.models import Sample, Worker
from workers.sparklines import attach_sparklines

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def line_of(worker: Worker) -> list[float | None]:
    return list(worker.cpu_recent)  # type: ignore[attr-defined]


def test_a_sparkline_is_36_means_with_gaps(now: datetime, django_assert_num_queries: object) -> None:
    worker, other = make_worker(), make_worker()
    for minutes, cpu in ((1, 10), (2, 20), (6, 50), (181, 99)):
        Sample.objects.create(worker=worker, at=now - minutes * MINUTE, source="cml", cpu=cpu)

    with django_assert_num_queries(1):  # type: ignore[operator]
        attach_sparklines([worker, other], now=now)

    assert len(line_of(worker)) == 36
    assert line_of(worker)[-3:] == [50, 15, None]
    assert set(line_of(worker)[:-3]) == {None}
    assert line_of(other) == [None] * 36


def test_moments_within_a_second_and_at_the_edges_of_steps_are_in_theirs(now: datetime) -> None:
    worker = make_worker()
    for at, cpu in ((now - 175 * MINUTE, 1), (now - timedelta(microseconds=1), 2), (now, 3)):
        Sample.objects.create(worker=worker, at=at, source="cml", cpu=cpu)

    attach_sparklines([worker], now=now)

    assert [(step, value) for step, value in enumerate(line_of(worker)) if value] == [(0, 1), (34, 2), (35, 3)]


def test_cml_and_cloudwatch_are_not_mixed_in_one_line(now: datetime) -> None:
    worker, other = make_worker(), make_worker()
    Sample.objects.create(worker=worker, at=now - 3 * MINUTE, source="cml", cpu=10)
    for one in (worker, other):
        Sample.objects.create(worker=one, at=now - 3 * MINUTE, source="cloudwatch", cpu=90)
        Sample.objects.create(worker=one, at=now - 30 * MINUTE, source="cloudwatch", cpu=80)

    attach_sparklines([worker, other], now=now)

    assert {value for value in line_of(worker) if value is not None} == {10}
    assert {value for value in line_of(other) if value is not None} == {80, 90}


def test_a_table_without_rows_asks_nothing(now: datetime, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert attach_sparklines([], now=now) == []


def test_fifty_rows_cost_as_many_queries_as_five_and_few_rows_of_many_readings(now: datetime) -> None:
    workers = [make_worker() for _ in range(50)]
    Sample.objects.bulk_create(
        Sample(worker=worker, at=now - number * MINUTE, source="cml", cpu=number % 100)
        for worker in workers
        for number in range(170)
    )
    for some in (workers[:5], workers):
        with CaptureQueriesContext(connection) as captured:
            attach_sparklines(some, now=now)
        assert len(captured) == 1
        assert all(None not in line_of(worker)[2:] for worker in some)
