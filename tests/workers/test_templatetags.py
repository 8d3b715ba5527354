"""How states, figures and ages are drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.template import Context, Template
from django.utils import timezone

from tests.makers import make_worker
from workers.choices import LicenseState, MachineState, ServiceState
from workers.models import Worker
from workers.templatetags import fleet

HOSTILE = '"><script>alert(1)</script>'


def render(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


def text_of(html: str) -> str:
    return " ".join(
        "".join(ElementTree.fromstring(f"<x>{re.sub(' data-(age|stale)(?=[ >])', '', html)}</x>").itertext()).split()
    )


# ── States ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("state", [*MachineState, *ServiceState, *LicenseState], ids=str)
def test_every_state_is_shown_by_shape_word_and_tone(state: MachineState | ServiceState | LicenseState) -> None:
    html = render("{% badge state %}", state=state)
    assert text_of(html) == state.label
    assert "<svg" in html
    assert f'data-tone="{state.look.tone}"' in html


def test_a_badge_of_nothing_is_nothing() -> None:
    assert render("{% badge missing.state %}") == ""


# ── Figures ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("value", "text", "tone"),
    [
        (0, "0 %", "good"),
        (69.9, "70 %", "good"),
        (70, "70 %", "warn"),
        (89.9, "90 %", "warn"),
        (90, "90 %", "bad"),
        (100, "100 %", "bad"),
        (250.0, "100 %", "bad"),
        (-3, "0 %", "good"),
    ],
)
def test_a_meter_shows_number_and_tone_within_bounds(value: float, text: str, tone: str) -> None:
    html = render('{% meter value "Memory" %}', value=value)
    assert text_of(html) == text
    assert f'data-tone="{tone}"' in html
    assert 'role="meter"' in html
    assert 'aria-label="Memory"' in html


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "42", True, HOSTILE])
def test_what_is_no_figure_is_a_dash(value: object) -> None:
    html = render('{% meter value "Disk" %}', value=value)
    assert text_of(html) == "–"
    assert "meter" not in html


def test_labels_of_figures_are_escaped() -> None:
    for tag in ("{% meter 5 label %}", "{% meter None label %}", "{% sparkline values label %}", "{% sparkline None label %}"):
        assert "<script" not in render(tag, label=HOSTILE, values=[1.0, 2.0])


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(2, 7, "2 / 7"), (0, 0, "0 / 0"), (None, 7, "– / 7"), (2, None, "2 / –"), (None, None, "–")]
)
def test_a_ratio_says_what_is_known(part: int | None, whole: int | None, text: str) -> None:
    assert text_of(render("{% ratio part whole %}", part=part, whole=whole)) == text


@pytest.mark.parametrize(
    ("used", "total", "text"),
    [
        (12 << 30, 62 << 30, "12.0 of 62.0 GiB"),
        (1 << 30, 192 << 30, "1.0 of 192 GiB"),
        (None, 2 << 40, "2.0 TiB"),
        (0, 0, "0.0 of 0.0 MiB"),
        (5, None, "–"),
        (float("nan"), float("nan"), "–"),
        (HOSTILE, HOSTILE, "–"),
    ],
)
def test_sizes_are_told_in_one_unit(used: object, total: object, text: str) -> None:
    assert render("{% sizes used total %}", used=used, total=total) == text


# ── Times ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s ago"),
        (0, "0 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (47 * 3600, "47 h ago"),
        (48 * 3600, "2 d ago"),
    ],
)
def test_ages_are_told_in_their_largest_whole_unit(seconds: float, text: str) -> None:
    assert fleet.age_text(seconds) == text


def test_an_age_carries_what_the_script_needs() -> None:
    at = timezone.now() - timedelta(seconds=14)
    html = render('{% age at 180 "aws:us-east-1" %}', at=at)
    assert text_of(html) == "14 s ago"
    assert f'datetime="{at.isoformat(timespec="seconds")}"' in html
    assert ' data-age data-checked="aws:us-east-1" data-stale-after="180">' in html


def test_an_age_past_its_limit_is_stale_and_one_without_a_limit_never() -> None:
    at = timezone.now() - timedelta(hours=5)
    assert "data-stale>" in render("{% age at 180 %}", at=at)
    assert "stale" not in render("{% age at %}", at=at)


def test_never_is_a_word() -> None:
    assert text_of(render('{% age None 180 "aws:us-east-1" %}')) == "never"


def test_keys_of_ages_are_escaped() -> None:
    assert "<script" not in render("{% age at 5 key %}", at=timezone.now(), key=HOSTILE)


@pytest.mark.parametrize(("state", "asked"), [("running", True), ("stopped", True), ("terminated", False), ("failed", False)])
def test_what_nobody_asks_ec2_about_never_turns_stale(state: str, asked: bool) -> None:
    worker = Worker(region="us-east-1", machine_state=state, aws_succeeded_at=timezone.now() - timedelta(days=3))
    html = render("{% aws_age worker %}", worker=worker)
    assert ("data-stale" in html) is asked
    assert ('data-checked="aws:us-east-1"' in html) is asked


def test_cml_is_stale_only_while_the_machine_runs() -> None:
    worker = Worker(region="us-east-1", machine_state="running", cml_succeeded_at=timezone.now() - timedelta(days=1))
    assert "data-stale>" in render("{% cml_age worker %}", worker=worker)
    worker.machine_state = "stopped"
    assert "stale" not in render("{% cml_age worker %}", worker=worker)


def test_live_fragments_tell_times_in_utc_whoever_looks() -> None:
    at = datetime(2026, 11, 3, 14, 3, 9, tzinfo=UTC)
    with timezone.override("Asia/Tokyo"):
        html = render("{% utc at %}{% age at %}", at=at)
    assert html.count("3 Nov 2026, 14:03:09 UTC") == 2
    assert render("{% utc None %}") == "–"


def test_a_moment_is_told_in_the_viewers_zone_with_the_date_when_it_is_not_today() -> None:
    with timezone.override("Europe/Madrid"):
        now = timezone.localtime()
        assert fleet.moment(now) == now.strftime("%H:%M")
        assert fleet.moment(datetime(2001, 2, 3, 23, 30, tzinfo=UTC)) == "4 Feb 2001, 00:30"
    assert fleet.moment(None) == "never"


# ── Rows ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db
def test_a_row_and_a_workers_panels_escape_everything_that_came_from_outside() -> None:
    worker = make_worker(
        name=HOSTILE,
        instance_id=HOSTILE,
        instance_type=HOSTILE,
        machine_state_reason=HOSTILE,
        service_reasons=[HOSTILE],
        license_state="other",
        license_text=HOSTILE,
        cml_version=HOSTILE,
        tags={HOSTILE: HOSTILE},
        description=HOSTILE,
        cml_error=HOSTILE,
        health={"computes": [{"hostname": HOSTILE, "admission_state": HOSTILE, "checks": {HOSTILE: False}}]},
        computes=[{"hostname": HOSTILE, "memory_total": HOSTILE}],
    )
    worker.refresh_from_db()
    for template in ("row", "worker_live"):
        html = render(f'{{% include "workers/components/{template}.html" %}}', worker=worker)
        assert "alert(1)" in html
        assert "<script" not in html


@pytest.mark.django_db
def test_a_row_and_a_workers_panels_are_the_same_for_every_viewer() -> None:
    worker = make_worker()
    worker.refresh_from_db()
    source = '{% include "workers/components/row.html" %}{% include "workers/components/worker_live.html" %}'
    plain = render(source, worker=worker)
    with timezone.override("Asia/Tokyo"):
        assert render(source, worker=worker, perms={"workers": {"change_worker": True}}, request=object()) == plain


@pytest.mark.django_db
def test_a_row_costs_no_query(django_assert_num_queries: Callable[[int], AbstractContextManager[object]]) -> None:
    worker = Worker.objects.get(pk=make_worker().pk)
    with django_assert_num_queries(0):
        render('{% include "workers/components/row.html" %}', worker=worker)
