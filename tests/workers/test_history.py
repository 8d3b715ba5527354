"""Usage shaped for charts, and as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.history import WINDOWS, usage
from workers.models import HistoryMark, HourlySample, Sample, Worker
from workers.services.rollup import roll_up_samples
from workers.views import history as history_views

pytestmark = pytest.mark.django_db
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def sample(worker: Worker, at: datetime, source: str = "cml", **figures: float | None) -> None:
    Sample.objects.create(worker=worker, at=at, source=source, **figures)


# ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("key", WINDOWS)
def test_a_chart_has_a_step_for_all_of_its_window_and_a_gap_where_nothing_was_measured(key: str, now: datetime) -> None:
    worker, other = make_worker(), make_worker()
    window = WINDOWS[key]
    sample(worker, now, cpu=30, memory=40, disk=50)
    sample(worker, now - window.step * 2, cpu=10)
    sample(worker, now - window.span * 2, cpu=99, memory=99, disk=99)
    sample(other, now, cpu=99)

    found = usage(worker, window, now=now)

    assert len(found.times) == window.span / window.step == len(found.lines["cpu"].means)
    assert found.lines["cpu"].means[-4:] == [None, 10, None, 30]
    assert [found.lines[name].means[-1] for name in ("memory", "disk")] == [40, 50]
    assert set(found.lines["cpu"].means[:-3]) == {None}
    assert found.times[-1] <= now < found.times[-1] + window.step
    assert found.samples == {"cml": 2}


def test_lowest_mean_and_highest_are_of_the_readings_themselves(now: datetime) -> None:
    worker = make_worker()
    for minutes, cpu in ((1, 0), (2, 40), (3, 80), (20, 100)):
        sample(worker, now - minutes * MINUTE, cpu=cpu)

    line = usage(worker, WINDOWS["24h"], now=now).lines["cpu"]

    assert [mean for mean in line.means if mean is not None] == [100, 40]
    assert line.whole
    assert (line.whole.low, line.whole.mean, line.whole.high, line.whole.count) == (0, 55, 100, 4)


def test_cpu_is_of_one_source_and_traffic_of_the_other(now: datetime) -> None:
    worker = make_worker()
    sample(worker, now - MINUTE, cpu=10, nodes=3)
    sample(worker, now - MINUTE, "cloudwatch", cpu=90, network_in=1_000, checks_failed=0)

    found = usage(worker, WINDOWS["1h"], now=now)

    assert (found.lines["cpu"].source, found.lines["network_in"].source) == ("cml", "cloudwatch")
    assert found.lines["cpu"].means[-2:] == [10, None]
    assert found.lines["labs"].source == ""


def test_hours_and_the_readings_after_them_are_one_line(now: datetime) -> None:
    worker = make_worker()
    moment = now + 30 * MINUTE
    for hours in (20 * 24, 2, 1):
        sample(worker, now - hours * HOUR, cpu=10 * hours % 97)
    roll_up_samples(now=moment)
    sample(worker, now + 10 * MINUTE, cpu=77)
    Sample.objects.filter(at__lt=now).delete()

    found = usage(worker, WINDOWS["7d"], now=moment)

    assert found.lines["cpu"].means[-3:] == [20, 10, 77]
    assert usage(worker, WINDOWS["30d"], now=moment).samples == {"cml": 4}


def test_neighbours_are_joined_as_far_apart_as_readings_come(now: datetime, settings: object) -> None:
    settings.CML_INTERVAL = 300  # type: ignore[attr-defined]
    worker = make_worker()
    sample(worker, now, cpu=1, network_in=1)
    reach = {key: usage(worker, window, now=now).lines["cpu"].reach for key, window in WINDOWS.items()}
    assert reach == {"1h": 12, "6h": 2, "24h": 1, "7d": 1, "30d": 1}


@pytest.mark.parametrize("key", WINDOWS)
def test_a_chart_costs_one_query_or_two(key: str, now: datetime) -> None:
    worker = make_worker()
    sample(worker, now, cpu=1)
    roll_up_samples(now=now + 2 * HOUR)
    with CaptureQueriesContext(connection) as captured:
        usage(worker, WINDOWS[key], now=now)
    assert len(captured) == (2 if WINDOWS[key].hourly else 1)


# ── The page ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_window_is_in_the_pages_address_and_a_reload_keeps_it(uma: User) -> None:
    worker = make_worker()
    sample(worker, timezone.now(), cpu=5, nodes=2)
    browser = signed_in(uma)

    page = browser.get(f"/workers/{worker.pk}/?window=7d").content.decode()
    assert "Usage of the last 7 days" in page
    assert f'hx-push-url="/workers/{worker.pk}/?window=30d"' in page
    assert f'href="/workers/{worker.pk}/?window=30d"' in page

    part = browser.get(f"/workers/{worker.pk}/history/?window=1h", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "Usage of the last hour" in part
    assert browser.get(f"/workers/{worker.pk}/history/?window=1h")["Location"] == f"/workers/{worker.pk}/?window=1h"
    assert "Usage of the last 24 hours" in browser.get(f"/workers/{worker.pk}/?window=nonsense").content.decode()


def test_a_worker_of_which_nothing_is_known_says_so(uma: User) -> None:
    page = signed_in(uma).get(f"/workers/{make_worker().pk}/").content.decode()
    assert "Neither CML nor CloudWatch has told" in page
    assert "chart-picture" not in page


def test_the_usage_panel_says_who_told_what_and_how_old_it_is(uma: User) -> None:
    moment = timezone.now()
    worker = make_worker(
        network_in=1_200_000,
        network_out=3_400,
        checks_failed=1,
        metrics_at=moment - timedelta(minutes=7),
        cml_succeeded_at=moment - timedelta(minutes=2),
    )
    page = signed_in(uma).get(f"/workers/{worker.pk}/").content.decode()
    panel = " ".join(page[page.index('data-part="usage"') : page.index('data-part="aws"')].split())
    assert "1.2 MB/s" in panel
    assert "3.4 kB/s" in panel
    assert "Failed" in panel
    assert panel.count("CloudWatch, <time") == 2
    assert panel.count("7 min ago") == 2
    assert panel.count("2 min ago") >= 4


# ── The file ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def file_of(uma: User) -> Callable[..., list[list[str]]]:
    browser = signed_in(uma)

    def read(worker: Worker, query: str) -> list[list[str]]:
        answer = browser.get(f"/workers/{worker.pk}/history.csv?{query}")
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        content = b"".join(answer.streaming_content)  # type: ignore[arg-type]
        return list(csv.reader(io.StringIO(content.decode())))

    return read


def test_a_window_as_a_file_has_its_readings_oldest_first_with_times_in_utc(file_of: Callable[..., list[list[str]]]) -> None:
    worker = make_worker()
    moment = timezone.now().replace(microsecond=0)
    sample(worker, moment - 5 * MINUTE, cpu=12.34567, memory=40, nodes=3)
    sample(worker, moment - 10 * MINUTE, "cloudwatch", cpu=9, network_out=1_500.5, checks_failed=0)
    sample(worker, moment - 3 * HOUR, cpu=99)

    heading, *rows = file_of(worker, "window=1h")

    assert heading[:4] == ["time", "source", "cpu_percent", "memory_percent"]
    first, second = ((moment - minutes * MINUTE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z") for minutes in (10, 5))
    assert rows == [
        [first, "cloudwatch", "9.0", "", "", "", "", "", "1500.5", "0"],
        [second, "cml", "12.346", "40.0", "", "3", "", "", "", ""],
    ]


def test_a_long_window_and_old_days_are_hours(file_of: Callable[..., list[list[str]]]) -> None:
    worker = make_worker()
    moment = timezone.now()
    sample(worker, moment - timedelta(days=3), cpu=10)
    roll_up_samples(now=moment)

    heading, row = file_of(worker, "window=30d")
    assert heading[:6] == ["hour", "source", "readings", "cpu_percent_mean", "cpu_percent_lowest", "cpu_percent_highest"]
    assert row[1:6] == ["cml", "1", "10.0", "10.0", "10.0"]

    days = f"from={moment - timedelta(days=20):%Y-%m-%d}&to={moment:%Y-%m-%d}"
    assert file_of(worker, days) == [heading, row]
    assert len(file_of(worker, f"{days}&detail=samples")) == 2
    assert file_of(worker, f"{days}&detail=samples")[0][0] == "time"


def test_days_are_the_viewers_own_and_the_last_one_counts(uma: User, file_of: Callable[..., list[list[str]]]) -> None:
    User.objects.filter(pk=uma.pk).update(time_zone="Asia/Tokyo")
    worker = make_worker()
    for hour in (14, 15, 38, 39):  # the 3rd in Tokyo is from 15:00 UTC on the 2nd to 15:00 on the 3rd
        HourlySample.objects.create(
            worker=worker,
            at=datetime(2026, 11, 2, tzinfo=UTC) + timedelta(hours=hour),
            source="cml",
            count=1,
            **{
                f"{name}_count": 0
                for name in ("cpu", "memory", "disk", "nodes", "labs", "network_in", "network_out", "checks_failed")
            },
        )
    rows = file_of(worker, "from=2026-11-03&to=2026-11-03&detail=hours")
    assert [row[0] for row in rows[1:]] == ["2026-11-02T15:00:00.000Z", "2026-11-03T14:00:00.000Z"]


def test_a_file_that_does_not_hold_all_ends_with_a_word(
    file_of: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_views, "MOST_ROWS", 2)
    worker = make_worker()
    for minutes in (1, 2, 3):
        sample(worker, timezone.now() - minutes * MINUTE, cpu=minutes)
    rows = file_of(worker, "window=1h")
    assert len(rows) == 4
    assert rows[-1] == ["Only the first 2 lines are in this file; take fewer days for the others."]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "This field is required."),
        ("from=2026-11-03&to=2026-11-01", "This day is before the first one."),
        ("from=garbage&to=2026-11-01", "Enter a valid date."),
        ("from=0001-01-01&to=9999-12-31", "Give a year between 2000 and 2100."),
        ("from=2026-11-01&to=2026-11-02&detail=everything", "Select a valid choice."),
    ],
)
def test_odd_days_are_refused_beside_the_field(query: str, says: str, uma: User) -> None:
    answer = signed_in(uma).get(f"/workers/{make_worker().pk}/history.csv?{query}")
    assert answer.status_code == 422
    assert says in answer.content.decode()


def test_a_workers_name_cannot_break_out_of_the_files_name(uma: User) -> None:
    worker = make_worker(name='x"; filename="evil.exe\r\nSet-Cookie: a=b')
    answer = signed_in(uma).get(f"/workers/{worker.pk}/history.csv?window=1h")
    assert answer["Content-Disposition"].startswith('attachment; filename="usage-x-filenameevilexe-set-cookie-ab-')
    assert answer["Content-Disposition"].count('"') == 2


def test_a_mark_is_one_row(now: datetime) -> None:
    from django.db import IntegrityError

    HistoryMark.objects.create(pk=1, rolled_to=now)
    with pytest.raises(IntegrityError):
        HistoryMark.objects.create(pk=2)
