"""Licences in tests: a simulated CML that is registered, the worker that stands for it, and operations taken to their end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from tests.makers import make_worker
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedCml, client_of, start_simulated_cml
from workers.clients.cml.tokens import tokens
from workers.models import Operation, Worker
from workers.services.cml_refresh import refresh_cml
from workers.services.operations import engine

TOKEN = "ZGVtby10b2tlbi1mb3ItdGVzdHMtMTIzNDU2Nzg5MA%3D%3D"
WELL = {"registration": "", "renewal": "", "deregistration": ""}


@pytest.fixture(scope="module")
def cml_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCml]:
    """One server for the module, on which everything that takes time happens at once."""
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=[ServerSpec(demo="ccnp-encor-01")], speed=0) as fleet:
        yield fleet[0]


@pytest.fixture
def server(cml_process: SimulatedCml, settings: Any) -> SimulatedCml:
    """Well-behaved, unregistered, with no lab running."""
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD
    tokens.clear()
    cml_process.change(mode="none", fault="unlicensed", licensing=dict(WELL))
    client = client_of(cml_process)
    for lab in client.lab_tiles():
        if lab.state == "STARTED":
            client.stop_lab(lab.lab_id)
    return cml_process


def worker_on(server: SimulatedCml, **overrides: Any) -> Worker:
    """A running worker whose CML was just read."""
    fields = {
        "name": "w",
        "address_kind": "custom",
        "custom_endpoint": server.base_url,
        "machine_state_since": timezone.now() - timedelta(hours=3),
        "license_state": "unknown",
    }
    worker = make_worker(**(fields | overrides))
    Worker.objects.filter(pk=worker.pk).update(created_at=timezone.now() - timedelta(hours=3))
    return read(worker)


def registered(server: SimulatedCml, **overrides: Any) -> Worker:
    """The same, registered."""
    client_of(server).register_license(token=TOKEN)
    return worker_on(server, **overrides)


def read(worker: Worker) -> Worker:
    """The worker after a refresh of its CML."""
    Worker.objects.filter(pk=worker.pk).update(cml_due_at=None)
    refresh_cml(now=timezone.now())
    worker.refresh_from_db()
    return worker


def statuses(server: SimulatedCml) -> tuple[str, str]:
    """What the server itself says."""
    found = client_of(server).licensing()
    return found.registration_status, found.authorization_status


def run_once(operation: Operation) -> Operation:
    """What Celery does when it is due next."""
    Operation.objects.filter(pk=operation.pk).update(due_at=timezone.now())
    engine.run(operation_id=operation.pk, now=timezone.now())
    operation.refresh_from_db()
    return operation


def to_end(operation: Operation, *, rounds: int = 20) -> Operation:
    """Until it has ended, without the waiting in between."""
    for _ in range(rounds):
        if not run_once(operation).is_in_flight:
            return operation
    raise AssertionError(f"still {operation.state}: {operation.steps}")


def begun_earlier(operation: Operation, span: timedelta) -> None:
    """As if the step that goes on had begun so much earlier."""
    operation.refresh_from_db()
    step = operation.next_step()
    assert step is not None
    began = parse_datetime(step["started_at"])
    assert began is not None
    step["started_at"] = (began - span).isoformat()
    operation.save(update_fields=["steps"])


def step(operation: Operation, name: str) -> dict[str, Any]:
    """One step of the operation."""
    return next(one for one in operation.steps if one["name"] == name)
