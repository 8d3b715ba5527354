"""Old samples go, new ones stay."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.makers import make_worker
from workers.models import Sample
from workers.services.retention import prune_samples


@pytest.mark.django_db
def test_samples_past_their_time_are_deleted_in_batches(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.services.retention.BATCH", 3)
    worker = make_worker()
    Sample.objects.bulk_create(Sample(worker=worker, at=now - timedelta(days=day), source="cml") for day in range(20))

    assert prune_samples(now=now) == 12

    assert Sample.objects.count() == 8
    assert prune_samples(now=now) == 0
