"""Usage over time as lines: sparklines and charts, in words too."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone

from workers.history import WINDOWS, Line, Summary, Usage, Window
from workers.models import FIGURES, Worker
from workers.templatetags import charts

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAYS = ("Fri", "Sat", "Sun", "Mon", "Tue", "Wed", "Thu")


def render(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


def times_of(chart: str) -> list[str]:
    return re.findall(r'<text class="chart-time[^>]*>([^<]*)<', chart)


def cells_of(chart: str) -> list[str]:
    return re.findall(r"<td[^>]*>([^<]*)</td>", chart)


def usage(
    start: datetime = NOON, *, steps: int = 4, step: timedelta = timedelta(minutes=5), **values: Sequence[float | None]
) -> Usage:
    """Usage with one reading in each step that has a value."""
    lines = {}
    for name in FIGURES:
        found = [None if value is None else Summary(value, value, value, 1) for value in values.get(name, [None] * steps)]
        lines[name] = Line("cml" if any(found) else "", found, 1)
    return Usage(Window("x", "1 hour", steps * step, step), start, lines, {"cml": steps})


def chart(found: Usage, kind: str = "percent") -> str:
    return render("{% usage_chart usage kind %}", usage=found, kind=kind)


# ── Lines ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_path_starts_anew_after_a_gap_and_shows_a_lone_value() -> None:
    assert charts.path_of([0, 100, None, 50, None], width=40, height=20) == "M0 20L10 0M30 10h0"


def test_a_path_joins_what_is_as_far_apart_as_readings_are() -> None:
    values = [0.0, None, 50.0, None, None, 100.0]
    assert charts.path_of(values, width=50, height=20, reach=2) == "M0 20L20 10M50 0h0"


def test_paths_of_nothing_and_of_one_value() -> None:
    assert charts.path_of([], width=10, height=10) == ""
    assert charts.path_of([None, None], width=10, height=10) == ""
    assert charts.path_of([100], width=10, height=10) == "M0 0h0"


def test_a_sparkline_speaks() -> None:
    html = render('{% sparkline values "CPU" %}', values=[10, None, 80.4, 42.0])
    assert 'role="img"' in html
    assert 'aria-label="CPU of the last 3 hours, now 42 %, highest 80 %"' in html


def test_a_sparkline_whose_last_value_is_missing_says_so() -> None:
    assert "now unknown, highest 80 %" in render('{% sparkline values "CPU" %}', values=[80, None])


@pytest.mark.parametrize("values", [None, [], [None] * 36, [float("nan")]])
def test_a_sparkline_without_measurements_draws_nothing(values: list[float | None] | None) -> None:
    html = render('{% sparkline values "CPU" %}', values=values)
    assert "<svg" not in html
    assert "was not measured" in html


def test_a_row_with_neither_figure_nor_line_shows_a_dash() -> None:
    assert re.sub("<[^>]*>", "", render("{% cpu worker %}", worker=Worker(region="us-east-1"))) == "–"


def test_a_rows_cpu_has_figure_and_line() -> None:
    worker = Worker(region="us-east-1", cpu=91.2)
    worker.cpu_recent = [90.0, 91.2]  # type: ignore[attr-defined]
    html = render("{% cpu worker %}", worker=worker)
    assert re.sub("<[^>]*>", "", html) == "91 %"
    assert 'data-tone="bad"' in html
    assert "spark-line" in html


# ── Figures ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 B/s"),
        (999, "999 B/s"),
        (1_240, "1.2 kB/s"),
        (124_000, "124 kB/s"),
        (5e6, "5.0 MB/s"),
        (2e10, "20.0 GB/s"),
    ],
)
def test_rates_are_told_in_bytes_per_second(value: float | None, text: str) -> None:
    assert render("{% rate value %}", value=value) == text


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 4), (4, 4), (5, 10), (11, 20), (21, 40), (92, 100), (101, 200), (180_000, 200_000)]
)
def test_a_scale_ends_in_a_round_number(highest: float, top: float) -> None:
    assert charts.top_of(highest) == top


# ── Charts ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_chart_tells_latest_lowest_mean_and_highest_in_text() -> None:
    html = chart(usage(cpu=[10.0, None, 20.0, 60.0]))
    assert cells_of(html)[:4] == ["60 %", "10 %", "30 %", "60 %"]
    assert cells_of(html)[4:8] == ["–"] * 4
    assert "CPU lowest 10 %, mean 30 %, highest 60 %" in html
    assert "Mon 23 Nov, 12:15 UTC|60 %|–|–" in html
    assert "Latest: Mon 23 Nov, 12:15 UTC" in html


def test_lowest_mean_and_highest_are_of_all_readings_and_not_of_the_means() -> None:
    found = usage(cpu=[50.0, 50.0], steps=2)
    found.lines["cpu"] = Line(
        "cml", [Summary(total=10, low=0, high=4, count=5), Summary(total=98, low=98, high=98, count=1)], 1
    )
    assert cells_of(chart(found))[:4] == ["98 %", "0 %", "18 %", "98 %"]


def test_a_chart_can_be_focused_and_says_how_it_is_read() -> None:
    html = chart(usage(cpu=[1.0, 2.0, 3.0, 4.0]))
    assert 'role="img"' in html
    assert 'tabindex="0"' in html
    assert 'aria-label="CPU, memory and disk of the last hour. CPU lowest 1 %, mean 2 %, highest 4 %;' in html
    assert 'aria-describedby="chart-keys"' in html


def test_nodes_labs_and_traffic_are_drawn_as_high_as_they_go() -> None:
    found = usage(nodes=[8.0] * 4, labs=[1.5] * 4, network_in=[0.0] * 4, network_out=[150_000.0] * 4)
    counts, network = chart(found, "counts"), chart(found, "network")
    assert cells_of(counts) == ["8"] * 4 + ["1.5"] * 4
    assert 'd="M0 20L333.3 20L666.7 20L1000 20"' in counts  # 8 of 10
    assert ">200 kB/s</text>" in network
    assert cells_of(network)[4:] == ["150 kB/s"] * 4


@pytest.mark.parametrize(
    ("kind", "says"), [("percent", "Neither CML nor CloudWatch"), ("counts", "no nodes"), ("network", "no traffic")]
)
def test_a_chart_without_measurements_says_so(kind: str, says: str) -> None:
    html = chart(usage(), kind)
    assert says in html
    assert "<svg" not in html


def test_the_sources_and_the_checks_are_told_in_words() -> None:
    found = usage(cpu=[1.0] * 4, nodes=[2.0] * 4, checks_failed=[0.0, 1.0, 1.0, 0.0])
    assert render("{% usage_sources usage %}", usage=found) == "CPU, nodes and status checks from CML (4 readings)"
    says = "{% check_history usage as checks %}{{ checks.tone }}: {{ checks.sentence }}"
    assert render(says, usage=found) == "bad: Status checks failed in 2 of 4 readings."
    assert render(says, usage=usage(checks_failed=[0.0] * 4)) == "good: Status checks passed in all 4 readings."
    assert render("{% check_history usage as checks %}{{ checks }}", usage=usage()) == "None"


# ── Times ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def labels(start: datetime, end: datetime, zone: str) -> list[dict[str, str]]:
    with timezone.override(zone):
        return charts.time_labels(start, end)


def test_a_chart_tells_time_in_the_viewers_zone() -> None:
    with timezone.override("Asia/Tokyo"):
        html = chart(usage(cpu=[1.0] * 5, steps=5, step=timedelta(hours=1)))
    assert times_of(html) == ["22:00", "23:00", "00:00", "01:00"]
    assert "Mon 23 Nov, 22:00 JST|1 %" in html


def test_a_charts_days_begin_at_the_viewers_midnight_across_a_change_to_winter_time() -> None:
    start = datetime(2026, 10, 22, 12, tzinfo=UTC)
    found = labels(start, start + timedelta(days=7), "Europe/Madrid")
    assert [label["text"] for label in found] == [
        f"{day} {number} Oct" for day, number in zip(DAYS, range(23, 30), strict=True)
    ]
    hours = [float(label["x"]) * 7 * 24 / 100 for label in found]
    assert [round(after - before) for before, after in itertools.pairwise(hours)] == [24, 24, 25, 24, 24, 24]


def test_an_hour_that_comes_twice_is_told_apart_by_its_zones_name() -> None:
    # Summer time ends in Madrid at 01:00 UTC.
    start = datetime(2026, 10, 25, 0, tzinfo=UTC)
    with timezone.override("Europe/Madrid"):
        html = chart(usage(start, cpu=[1.0] * 3, steps=3, step=timedelta(hours=1)))
    assert re.findall(r"Sun 25 Oct, (\d\d:\d\d \w+)\|", html) == ["02:00 CEST", "02:00 CET", "03:00 CET"]


def test_an_hour_that_summer_time_leaves_out_is_not_on_the_axis() -> None:
    # Summer time begins in Madrid at 01:00 UTC, 02:00 becomes 03:00.
    start = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    found = labels(start, start + timedelta(hours=4), "Europe/Madrid")
    assert [label["text"] for label in found] == ["01:00", "03:00", "04:00", "05:00"]
    assert [float(label["x"]) for label in found] == [12.5, 37.5, 62.5, 87.5]


@pytest.mark.parametrize("key", WINDOWS)
def test_every_window_has_two_to_eight_labels(key: str) -> None:
    window = WINDOWS[key]
    found = labels(NOON, NOON + window.step * (window.steps - 1), "Europe/Madrid")
    assert 2 <= len(found) <= 8
    assert len({label["text"] for label in found}) == len(found)


def test_a_chart_of_one_moment_has_no_axis() -> None:
    html = chart(usage(cpu=[5.0], steps=1))
    assert times_of(html) == []
    assert "5 %" in html
