"""Usage shaped for sparklines and charts."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.makers import make_worker
from workers.history import WINDOWS, attach_sparklines, usage
from workers.models import Sample

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def test_a_sparkline_is_36_means_with_gaps(now: datetime, django_assert_num_queries: object) -> None:
    worker, other = make_worker(), make_worker()
    for minutes, cpu in ((1, 10), (2, 20), (6, 50), (181, 99)):
        Sample.objects.create(worker=worker, at=now - minutes * MINUTE, source="cml", cpu=cpu)

    with django_assert_num_queries(1):  # type: ignore[operator]
        attach_sparklines([worker, other], now=now)

    line = worker.cpu_recent  # type: ignore[attr-defined]
    assert len(line) == 36
    assert line[-3:] == [50, 15, None]
    assert set(line[:-3]) == {None}
    assert set(other.cpu_recent) == {None}  # type: ignore[attr-defined]


def test_cml_and_cloudwatch_are_not_mixed_in_one_line(now: datetime) -> None:
    worker = make_worker()
    Sample.objects.create(worker=worker, at=now - 3 * MINUTE, source="cml", cpu=10)
    Sample.objects.create(worker=worker, at=now - 3 * MINUTE, source="cloudwatch", cpu=90)
    Sample.objects.create(worker=worker, at=now - 30 * MINUTE, source="cloudwatch", cpu=80)

    attach_sparklines([worker], now=now)

    assert {value for value in worker.cpu_recent if value is not None} == {10}  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", WINDOWS)
def test_a_chart_has_a_mean_for_every_step_of_its_window(key: str, now: datetime) -> None:
    worker = make_worker()
    window = WINDOWS[key]
    Sample.objects.create(worker=worker, at=now, source="cml", cpu=30, memory=40, disk=50)
    Sample.objects.create(worker=worker, at=now - window.span * 2, source="cml", cpu=99, memory=99, disk=99)

    means = usage(worker, window, now=now)

    assert len(means) == window.span / window.step
    assert (means[-1].cpu, means[-1].memory, means[-1].disk) == (30, 40, 50)
    assert {mean.cpu for mean in means[:-1]} == {None}
    assert means[1].at - means[0].at == window.step
