"""What CloudWatch measures becomes samples and figures: late, in parts, twice, or not at all."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.makers import make_worker
from workers.clients import aws, cml
from workers.models import Sample, Worker
from workers.services import metrics_refresh
from workers.services.cml_reading import Reading
from workers.services.cml_story import fields_of
from workers.services.metrics_refresh import PERIOD, refresh_metrics
from workers.services.usage import significant, significant_rate

pytestmark = pytest.mark.django_db


class CloudWatch:
    """CloudWatch in memory: `points` by instance, `asked` is the span of each question."""

    def __init__(self) -> None:
        self.points: dict[str, list[aws.Measurement]] = {}
        self.asked: list[tuple[datetime, datetime]] = []

    def measurements(
        self, instance_ids: Collection[str], *, since: datetime, until: datetime, period: int
    ) -> dict[str, list[aws.Measurement]]:
        self.asked.append((since, until))
        return {one: [point for point in self.points.get(one, []) if point.at >= since - PERIOD] for one in instance_ids}

    def say(self, worker: Worker, at: datetime, **figures: Any) -> None:
        known = {point.at: point for point in self.points.get(worker.instance_id, [])}
        known[at] = aws.Measurement(at=at, **figures)
        self.points[worker.instance_id] = [known[moment] for moment in sorted(known)]


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    found = CloudWatch()
    monkeypatch.setattr(aws, "client_for", lambda **_: found)
    return found


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The workers of which open pages were told."""
    ids: list[Any] = []
    monkeypatch.setattr(metrics_refresh.events, "announce_workers", ids.extend)
    return ids


def look(now: datetime, region: str = "us-east-1") -> None:
    Worker.objects.update(metrics_due_at=None)
    refresh_metrics(region=region, now=now)


def test_what_is_measured_is_stored_and_shown_with_the_time_until_which_it_reaches(
    now: datetime, cloudwatch: CloudWatch
) -> None:
    worker = make_worker(cpu=None, cpu_source="")
    cloudwatch.say(worker, now - 2 * PERIOD, cpu=20.0, network_in=1_000.0, network_out=8_000.0, checks_failed=0.0)
    cloudwatch.say(worker, now - PERIOD, cpu=25.04, network_in=2_000.4, network_out=9_000.0, checks_failed=1.0)

    look(now)

    worker.refresh_from_db()
    assert (worker.cpu, worker.cpu_source) == (25.0, "cloudwatch")
    assert (worker.network_in, worker.network_out, worker.checks_failed) == (2_000, 9_000, 1)
    assert (worker.metrics_at, worker.metrics_succeeded_at) == (now, now)
    stored = Sample.objects.order_by("at").values_list("at", "cpu", "network_in", "network_out", "checks_failed")
    assert list(stored) == [(now - 2 * PERIOD, 20, 1_000, 8_000, 0), (now - PERIOD, 25.04, 2_000.4, 9_000, 1)]


def test_a_period_that_still_runs_is_no_sample_and_no_rate(now: datetime, cloudwatch: CloudWatch) -> None:
    worker = make_worker(cpu=None, cpu_source="")
    cloudwatch.say(worker, now - PERIOD + timedelta(seconds=1), cpu=66.0, network_in=10.0, network_out=10.0, checks_failed=1.0)

    look(now)

    worker.refresh_from_db()
    assert worker.cpu == 66
    assert (worker.network_in, worker.checks_failed, worker.metrics_at) == (None, None, None)
    assert not Sample.objects.exists()


def test_points_that_come_late_are_stored_and_a_metric_that_comes_later_completes_its_sample(
    now: datetime, cloudwatch: CloudWatch
) -> None:
    worker = make_worker()
    cloudwatch.say(worker, now - PERIOD, cpu=20.0, checks_failed=0.0)
    look(now)
    cloudwatch.say(worker, now - 2 * PERIOD, cpu=10.0)
    cloudwatch.say(worker, now - PERIOD, cpu=20.0, network_in=700.0)
    look(now + PERIOD)
    # What was known is not lost when CloudWatch does not repeat it.
    cloudwatch.points.clear()
    cloudwatch.say(worker, now - PERIOD, network_out=900.0)
    look(now + 2 * PERIOD)

    stored = Sample.objects.order_by("at").values_list("at", "cpu", "network_in", "network_out", "checks_failed")
    assert list(stored) == [(now - 2 * PERIOD, 10, None, None, None), (now - PERIOD, 20, 700, 900, 0)]


def test_what_is_known_already_is_not_written_again(now: datetime, cloudwatch: CloudWatch) -> None:
    workers = [make_worker() for _ in range(3)]
    for worker in workers:
        cloudwatch.say(worker, now - PERIOD, cpu=20.0, network_in=1.0, network_out=2.0, checks_failed=0.0)
    look(now)

    with CaptureQueriesContext(connection) as captured:
        look(now)

    assert not [query["sql"] for query in captured if "INSERT" in query["sql"]]


def test_as_many_statements_for_fifty_workers_as_for_five(now: datetime, cloudwatch: CloudWatch) -> None:
    def statements(many: int, region: str) -> int:
        for worker in [make_worker(region=region, cpu=20.0, cpu_source="cloudwatch", checks_failed=0) for _ in range(many)]:
            for number in range(1, 4):
                cloudwatch.say(worker, now - number * PERIOD, cpu=20.0, checks_failed=0.0)
        with CaptureQueriesContext(connection) as captured:
            look(now, region)
        # SQLite takes a hundred rows an INSERT.
        return sum(not query["sql"].startswith("INSERT") for query in captured)

    assert statements(5, "eu-west-1") == statements(50, "eu-west-2")
    assert len(cloudwatch.asked) == 2


def test_it_looks_two_periods_back_and_hours_for_a_worker_just_met(now: datetime, cloudwatch: CloudWatch) -> None:
    worker = make_worker(metrics_succeeded_at=now - PERIOD)
    look(now)
    make_worker()
    look(now)
    Worker.objects.exclude(pk=worker.pk).delete()
    Worker.objects.update(metrics_succeeded_at=now - timedelta(days=3))
    look(now)
    assert [now - since for since, _ in cloudwatch.asked] == [3 * PERIOD, timedelta(hours=3), timedelta(hours=3)]


def test_failing_checks_are_news_and_traffic_is_not(now: datetime, cloudwatch: CloudWatch, told: list[Any]) -> None:
    worker = make_worker(cpu=50.0, cpu_source="cloudwatch", network_in=1_000, network_out=1_000, checks_failed=0)
    cloudwatch.say(worker, now - PERIOD, cpu=51.0, network_in=900_000.0, network_out=1_000.0, checks_failed=0.0)
    look(now)
    worker.refresh_from_db()
    assert (told, worker.cpu, worker.network_in) == ([], 50, 900_000)

    cloudwatch.say(worker, now, cpu=51.0, network_in=900_000.0, network_out=1_000.0, checks_failed=1.0)
    look(now + PERIOD)
    assert told == [worker.pk]


def test_a_machine_that_stopped_meanwhile_gets_no_figures(now: datetime, cloudwatch: CloudWatch) -> None:
    worker = make_worker(cpu=None, cpu_source="")
    cloudwatch.say(worker, now - PERIOD, cpu=20.0, network_in=5_000.0, checks_failed=0.0)
    measured = cloudwatch.measurements

    def stop_meanwhile(*args: Any, **options: Any) -> Any:
        Worker.objects.update(machine_state="stopping")
        return measured(*args, **options)

    cloudwatch.measurements = stop_meanwhile  # type: ignore[method-assign]
    look(now)

    worker.refresh_from_db()
    assert (worker.cpu, worker.network_in) == (None, None)
    assert Sample.objects.count() == 1


# ── When a figure has moved ────────────────────────────────────────────────────────────────────────────────────────
def test_the_threshold_is_a_setting(settings: object) -> None:
    settings.USAGE_THRESHOLD = 20  # type: ignore[attr-defined]
    assert not significant(10, 29)
    assert significant(10, 30)


def test_memory_and_disk_of_cml_are_written_when_they_moved_or_crossed_a_line_and_stored_always(now: datetime) -> None:
    worker = make_worker(cpu=50.0, memory=68.0, disk=40.0)

    def told(cpu: float | None, memory: float, disk: float) -> dict[str, Any]:
        stats = cml.SystemStats(
            cpu_percent=cpu, memory_percent=memory, disk_percent=disk, nodes_running=5, nodes_total=9, computes=()
        )
        fields = fields_of(worker, Reading(information=cml.SystemInformation(version="", ready=True), stats=stats), now=now)
        return {name: fields[name] for name in ("cpu", "memory", "disk") if name in fields}

    assert told(53, 69.8, 44.9) == {}
    assert told(53, 70.2, 45) == {"memory": 70.2, "disk": 45}
    assert told(None, 68, 40) == {"cpu": None}
    # CloudWatch speaks of the CPU of a CML that does not.
    worker.cpu_source = "cloudwatch"
    assert told(None, 68, 40) == {}


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        (None, 5, True),
        (5, None, True),
        (None, None, False),
        (100, 900, False),
        (10_000, 11_900, False),
        (10_000, 13_000, True),
        (0, 1_000, True),
    ],
)
def test_traffic_moves_by_a_fifth(old: float | None, new: float | None, moved: bool) -> None:
    assert significant_rate(old, new) is moved
