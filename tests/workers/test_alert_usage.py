"""When usage is worth an alert: a pure function of what was measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from workers.alert_choices import AlertKind, AlertSeverity, Lines
from workers.services.alerts.usage import Reading, judge
from workers.services.alerts.verdicts import Clear, Keep, Raise, Verdict

STEP = timedelta(minutes=5)
LINES = Lines(85, 95, 10)


def readings(values: Iterable[float], now: datetime) -> list[Reading]:
    values = list(values)
    return [Reading(now - STEP * (len(values) - 1 - index), value) for index, value in enumerate(values)]


def judged(values: Iterable[float], now: datetime, standing: str | None = None, lines: Lines = LINES) -> Verdict:
    severity = AlertSeverity(standing) if standing else None
    return judge(AlertKind.CPU, readings(values, now), lines, standing=severity, fresh_after=now - timedelta(minutes=15))


def severities(values: list[float], now: datetime, lines: Lines = LINES) -> list[str]:
    """What an alert would be after each of the values, looked at one after another; "" while there is none."""
    standing: str | None = None
    story = []
    for count in range(1, len(values) + 1):
        found = judged(values[:count], now, standing, lines)
        standing = found.severity.value if isinstance(found, Raise) else None
        story.append(standing or "")
    return story


def test_a_spike_opens_nothing_and_ten_minutes_over_the_line_open_a_warning(now: datetime) -> None:
    assert isinstance(judged([40, 99, 40], now), Clear)
    assert isinstance(judged([40, 99, 99], now), Clear)

    found = judged([40, 88, 90, 91], now)

    assert isinstance(found, Raise)
    assert (found.severity, found.value, found.since) == ("warning", 91, now - 2 * STEP)
    assert found.sentence == "CPU is at 91 %; warning from 85 % for 10 min."


def test_without_minutes_one_measurement_is_enough(now: datetime) -> None:
    assert severities([79, 80, 92], now, Lines(80, 90, 0)) == ["", "warning", "critical"]


@pytest.mark.parametrize("tooth", [[84, 86], [80, 96], [60, 99], [84.9, 85, 85]], ids=str)
def test_a_sawtooth_across_the_line_opens_nothing(tooth: list[float], now: datetime) -> None:
    assert set(severities(tooth * 12, now)) == {""}


@pytest.mark.parametrize("tooth", [[84, 86], [81, 99], [60, 99], [70, 70, 88]], ids=str)
def test_an_open_alert_does_not_flap_with_a_sawtooth(tooth: list[float], now: datetime) -> None:
    story = severities([90, 90, 90, *tooth * 8], now)

    assert story[2] == "warning"
    changes = [(one, other) for one, other in itertools.pairwise(story[2:]) if one != other]
    assert changes == []


def test_it_becomes_worse_and_milder_in_place_and_closes_when_it_has_been_low_for_as_long(now: datetime) -> None:
    story = severities([90, 90, 90, 97, 97, 97, 88, 88, 88, 60, 60, 60], now)

    assert story == ["", "", *["warning"] * 3, *["critical"] * 3, "warning", "warning", "warning", ""]


def test_just_under_the_line_it_closes_after_three_times_as_long(now: datetime) -> None:
    story = severities([90, 90, 90, *[83] * 9], now)

    assert story[2:] == [*["warning"] * 7, "", "", ""]


def test_old_measurements_open_and_close_nothing(now: datetime) -> None:
    assert isinstance(judged([], now, "warning"), Keep)
    old = readings([99] * 5, now - timedelta(hours=1))
    for standing in (None, AlertSeverity.WARNING):
        found = judge(AlertKind.CPU, old, LINES, standing=standing, fresh_after=now - timedelta(minutes=15))
        assert isinstance(found, Keep)
