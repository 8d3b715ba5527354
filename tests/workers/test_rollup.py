"""Samples become means of hours: nothing is lost, nothing counts twice, whatever comes late, twice or after days."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from tests.makers import make_worker
from workers.history import WINDOWS, usage
from workers.models import FIGURES, HistoryMark, HourlySample, Sample, Worker
from workers.services import retention, rollup
from workers.services.retention import prune_samples
from workers.services.rollup import roll_up_samples

pytestmark = pytest.mark.django_db
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "PAUSE", 0)


def sample(worker: Worker, at: datetime, source: str = "cml", **figures: Any) -> Sample:
    return Sample.objects.create(worker=worker, at=at, source=source, **figures)


def fill(now: datetime, *, hours: int, workers: int = 3, seed: int = 7) -> None:
    """Odd figures at odd times, some missing, from both sources."""
    dice = random.Random(seed)
    rows = []
    for worker in [make_worker() for _ in range(workers)]:
        for number in range(hours * 60):
            if dice.random() < 0.3:
                figures: dict[str, Any] = {name: dice.choice([None, dice.uniform(0, 100)]) for name in FIGURES[:3]}
                figures |= {
                    "nodes": dice.choice([None, dice.randrange(90)]),
                    "network_in": dice.choice([None, dice.uniform(0, 1e7)]),
                }
                figures["checks_failed"] = dice.choice([None, 0, 1])
                at = now - number * MINUTE - timedelta(seconds=dice.randrange(60))
                rows.append(Sample(worker=worker, at=at, source=dice.choice(["cml", "cloudwatch"]), **figures))
    Sample.objects.bulk_create(rows, ignore_conflicts=True)


def hours_of(samples: list[Sample]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What the hours have to be, counted in Python."""
    grouped: dict[tuple[Any, ...], list[Sample]] = defaultdict(list)
    for one in samples:
        grouped[one.worker_id, one.at.replace(minute=0, second=0, microsecond=0), one.source].append(one)
    expected = {}
    for key, group in grouped.items():
        fields: dict[str, Any] = {"count": len(group)}
        for name in FIGURES:
            values = [value for one in group if (value := getattr(one, name)) is not None]
            fields[f"{name}_count"] = len(values)
            fields[name] = sum(values) / len(values) if values else None
            fields |= {f"{name}_low": min(values, default=None), f"{name}_high": max(values, default=None)}
        expected[key] = fields
    return expected


def hours_found() -> dict[tuple[Any, ...], dict[str, Any]]:
    return {
        (hour.worker_id, hour.at, hour.source): {
            name: getattr(hour, name)
            for name in ("count", *(f"{figure}{part}" for figure in FIGURES for part in ("", "_low", "_high", "_count")))
        }
        for hour in HourlySample.objects.all()
    }


def assert_hours_are(expected: dict[tuple[Any, ...], dict[str, Any]]) -> None:
    found = hours_found()
    assert found.keys() == expected.keys()
    for key, fields in expected.items():
        assert found[key] == pytest.approx(fields), key


# ── What an hour is ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_hours_are_exactly_what_the_samples_say(now: datetime, seed: int) -> None:
    fill(now, hours=6, seed=seed)
    ended = list(Sample.objects.filter(at__lt=now))

    roll_up_samples(now=now)

    assert_hours_are(hours_of(ended))
    for name in FIGURES:
        values = [value for one in ended if (value := getattr(one, name)) is not None]
        hours = [hour for hour in HourlySample.objects.all() if getattr(hour, f"{name}_count")]
        assert sum(getattr(hour, name) * getattr(hour, f"{name}_count") for hour in hours) == pytest.approx(sum(values))
        assert sum(getattr(hour, f"{name}_count") for hour in hours) == len(values)


def test_an_hour_that_still_goes_on_is_not_made(now: datetime) -> None:
    worker = make_worker()
    sample(worker, now - MINUTE, cpu=10)
    sample(worker, now + MINUTE, cpu=90)

    assert roll_up_samples(now=now + 30 * MINUTE) == 1

    assert [(hour.at, hour.cpu) for hour in HourlySample.objects.all()] == [(now - HOUR, 10)]


# ── Again, late, after days, two at once ───────────────────────────────────────────────────────────────────────────
def test_doing_it_again_changes_nothing_and_within_the_hour_does_nothing(now: datetime) -> None:
    fill(now, hours=3)
    roll_up_samples(now=now)
    before = hours_found()

    with CaptureQueriesContext(connection) as captured:
        assert roll_up_samples(now=now + 59 * MINUTE) == 0
    assert len(captured) == 1
    HistoryMark.objects.update(rolled_to=None)
    roll_up_samples(now=now)

    assert hours_found() == before


def test_samples_that_come_late_are_counted_the_next_time(now: datetime) -> None:
    worker = make_worker()
    sample(worker, now - 150 * MINUTE, cpu=10, source="cloudwatch")
    roll_up_samples(now=now)
    sample(worker, now - 145 * MINUTE, cpu=30, source="cloudwatch")
    # A metric that came after the others of its period completes the sample.
    Sample.objects.filter(cpu=10).update(network_in=5_000)

    roll_up_samples(now=now + HOUR)

    [hour] = HourlySample.objects.all()
    assert (hour.cpu, hour.cpu_low, hour.cpu_high, hour.count, hour.network_in, hour.network_in_count) == (
        20,
        10,
        30,
        2,
        5_000,
        1,
    )


def test_after_days_without_it_goes_on_in_bounded_steps(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "MOST_HOURS", 20)
    worker = make_worker()
    for number in range(72):
        sample(worker, now - number * HOUR - MINUTE, cpu=number)

    made = [roll_up_samples(now=now) for _ in range(6)]

    # Each run begins with the hours in which something may have come late: it makes 16 new ones.
    assert made == [20, 20, 20, 20, 8, 0]
    assert HourlySample.objects.count() == 72
    assert HistoryMark.objects.get().rolled_to == now


def test_hours_in_which_nothing_was_measured_are_leapt_over(now: datetime) -> None:
    worker = make_worker()
    sample(worker, now - timedelta(days=300), cpu=1)
    sample(worker, now - 90 * MINUTE, cpu=2)

    with CaptureQueriesContext(connection) as captured:
        assert roll_up_samples(now=now) == 2

    assert len(captured) < 30


def test_an_hour_is_made_by_one_statement_for_all_workers(now: datetime) -> None:
    def queries(workers: int) -> int:
        for worker in [make_worker() for _ in range(workers)]:
            sample(worker, now - 5 * MINUTE, cpu=10)
            sample(worker, now - timedelta(days=30), cpu=10)
        HistoryMark.objects.all().delete()
        with CaptureQueriesContext(connection) as captured:
            roll_up_samples(now=now)
            prune_samples(now=now)
        return len(captured)

    assert queries(5) == queries(50)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_the_same_hours_once(now: datetime) -> None:
    fill(now, hours=12)
    expected = hours_of(list(Sample.objects.filter(at__lt=now)))
    failures: list[BaseException] = []

    def work(job: Any) -> None:
        try:
            job(now=now)
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(job,)) for job in (roll_up_samples, roll_up_samples, prune_samples)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert_hours_are(expected)
    assert HistoryMark.objects.get().rolled_to == now


# ── What goes ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_samples_go_only_after_their_hour_was_made_even_if_the_rollup_never_ran(now: datetime) -> None:
    moment = now - timedelta(days=9)
    fill(moment, hours=5)
    expected = hours_of(list(Sample.objects.all()))

    prune_samples(now=now)

    assert Sample.objects.count() == 0
    assert_hours_are(expected)


def test_a_process_killed_while_samples_go_loses_nothing(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(now - timedelta(days=9), hours=3)
    expected = hours_of(list(Sample.objects.all()))
    monkeypatch.setattr(retention, "BATCH", 10)
    calls = iter(range(100))

    def killed() -> None:
        if next(calls) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(retention, "give_way", killed)
    with pytest.raises(KeyboardInterrupt):
        prune_samples(now=now)
    assert 0 < Sample.objects.count() < len(expected) * 60
    roll_up_samples(now=now)
    assert_hours_are(expected)

    monkeypatch.setattr(retention, "give_way", lambda: None)
    prune_samples(now=now)
    roll_up_samples(now=now)

    assert Sample.objects.count() == 0
    assert_hours_are(expected)


def test_what_comes_after_its_hour_was_closed_does_not_replace_it(now: datetime) -> None:
    worker = make_worker()
    old = now - timedelta(days=8)
    sample(worker, old, cpu=10)
    prune_samples(now=now)
    sample(worker, old + MINUTE, cpu=90)
    HistoryMark.objects.update(rolled_to=old - HOUR)

    roll_up_samples(now=now)
    prune_samples(now=now)

    assert [(hour.cpu, hour.count) for hour in HourlySample.objects.all()] == [(10, 1)]
    assert Sample.objects.count() == 0


def test_hours_go_after_their_days(now: datetime, settings: object) -> None:
    settings.SAMPLE_HOURLY_DAYS = 40  # type: ignore[attr-defined]
    worker = make_worker()
    for days in (39, 41):
        sample(worker, now - timedelta(days=days), cpu=days)

    prune_samples(now=now)

    assert [hour.cpu for hour in HourlySample.objects.all()] == [39]


@pytest.mark.parametrize("key", ["7d", "30d"])
def test_a_chart_is_the_same_before_and_after_the_rollup_and_while_samples_go(key: str, now: datetime) -> None:
    now += 25 * MINUTE
    fill(now, hours=30, workers=1)
    worker = Worker.objects.get()
    before = usage(worker, WINDOWS[key], now=now)
    assert before.lines["cpu"].whole is not None

    def assert_unchanged() -> None:
        after = usage(worker, WINDOWS[key], now=now)
        assert after.samples == before.samples
        for name, line in before.lines.items():
            assert after.lines[name].means == pytest.approx(line.means), name
            if line.whole:
                assert vars(after.lines[name].whole) == pytest.approx(vars(line.whole))

    roll_up_samples(now=now - 6 * HOUR)
    assert_unchanged()
    roll_up_samples(now=now)
    assert_unchanged()
    prune_samples(now=now + timedelta(days=6, hours=20))
    assert Sample.objects.count() < sum(before.samples.values())
    assert_unchanged()


def test_the_first_hours_are_of_utc(now: datetime) -> None:
    assert rollup.hour_of(datetime(2026, 1, 1, 5, 59, 59, 9, tzinfo=UTC)) == datetime(2026, 1, 1, 5, tzinfo=UTC)
