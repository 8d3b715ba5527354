"""A start reads everything again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.makers import make_worker
from workers.models import Worker
from workers.services.reconcile import everything_is_due


@pytest.mark.django_db
def test_everything_that_has_a_machine_is_due_after_a_start(now: datetime) -> None:
    later = {name: now + timedelta(hours=1) for name in ("aws_due_at", "metrics_due_at", "cml_due_at", "labs_due_at")}
    make_worker(**later)
    make_worker(**later, machine_state="stopped", service_state="unknown")
    gone = make_worker(**later, machine_state="terminated", service_state="unknown")

    assert everything_is_due(now=now) == 2

    for worker in Worker.objects.exclude(pk=gone.pk):
        assert {getattr(worker, name) for name in later} == {None}
    gone.refresh_from_db()
    assert gone.aws_due_at == now + timedelta(hours=1)
