"""What a look at CML writes of its licence."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.licensing import (
    cml_process,
    read,
    registered,
    server,
)
from tests.simulated_cml import SimulatedCml
from workers.models import Event, Worker

__all__ = ["cml_process", "server"]
pytestmark = pytest.mark.django_db


def test_what_did_not_change_is_neither_written_nor_told(server: SimulatedCml) -> None:
    worker = registered(server)
    written = {field.name: getattr(worker, field.name) for field in Worker._meta.fields if "licen" in field.name}
    told = Event.objects.count()
    with CaptureQueriesContext(connection) as captured:
        read(worker)

    again = {name: getattr(worker, name) for name in written}
    assert again == written | {"license_read_at": again["license_read_at"]}
    assert again["license_read_at"] > written["license_read_at"]
    assert Event.objects.count() == told
    assert not [query["sql"] for query in captured if '"licensing" =' in query["sql"]]


def test_a_count_that_moved_is_written(server: SimulatedCml) -> None:
    worker = registered(server)

    server.change(licensing={"node_count": 77})

    assert read(worker).license_nodes_in_use == 77
    assert next(f for f in worker.licensing["features"] if f["kind"] == "nodes")["in_use"] == 77


def test_an_expired_evaluation_holds_no_seat() -> None:
    told = {"registration": {"status": "NOT_REGISTERED"}}

    assert not Worker(license_state="expired", licensing=told).holds_seat
    assert Worker(license_state="expired", licensing={"registration": {"status": "EXPIRED"}}).holds_seat
    assert Worker(license_state="registered").holds_seat
