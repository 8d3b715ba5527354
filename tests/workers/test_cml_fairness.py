"""Nobody starves: servers that hang hold a few threads, are asked less often, say so, and come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.makers import make_worker
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedFleet, eventually, start_simulated_cml
from workers.clients import cml
from workers.clients.cml.tokens import tokens
from workers.models import Worker
from workers.services import cml_reading, cml_refresh, due
from workers.services.cml_refresh import PARALLEL, SUSPECTS, refresh_cml
from workers.services.cml_story import fields_of

pytestmark = pytest.mark.django_db
READ_TIMEOUT = 0.5


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    specs = [ServerSpec(demo=name) for name in ("ccnp-encor-01", "ccna-evening")]
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=specs) as fleet:
        eventually(lambda: len(fleet.reports()) == 2)
        yield fleet


@pytest.fixture(autouse=True)
def limits(settings: Any, servers: SimulatedFleet) -> Iterator[None]:
    tokens.clear()
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD
    settings.CML_CONNECT_TIMEOUT = settings.CML_READ_TIMEOUT = READ_TIMEOUT
    settings.CML_TOTAL_TIMEOUT = 1.0
    yield
    for server in servers:
        server.set_mode("none")


def workers_on(server: Any, count: int, **overrides: Any) -> list[Worker]:
    """So many workers, all on this one server: it is what they do that counts."""
    running = {"machine_state_since": timezone.now() - timedelta(hours=3), "address_kind": "custom"}
    account = {"asked_as": USERNAME, "learnt_at": timezone.now().isoformat()}
    return [
        make_worker(
            **running
            | {"custom_endpoint": server.base_url, "cml_account": account, "labs_due_at": timezone.now() + timedelta(hours=1)}
            | overrides
        )
        for _ in range(count)
    ]


def look() -> tuple[datetime, float]:
    """One task: when it began, and how many seconds it took."""
    began, start = timezone.now(), time.monotonic()
    refresh_cml(now=began)
    return began, time.monotonic() - start


def latest(workers: list[Worker], began: datetime) -> float:
    """Seconds after which the last of the workers had answered."""
    found = Worker.objects.filter(pk__in=[worker.pk for worker in workers]).values_list("cml_succeeded_at", flat=True)
    return max((at - began).total_seconds() for at in found if at is not None)


def test_servers_that_hang_hold_few_threads_from_their_second_time_on(
    servers: SimulatedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, well = workers_on(servers[0], 24), workers_on(servers[1], 30)
    servers[0].set_mode("timeout")
    holding: set[str] = set()
    most = 0
    lock = threading.Lock()
    honest = cml_reading._ask

    def counted(reading: Any, worker: Worker) -> None:
        nonlocal most
        with lock:
            if worker.custom_endpoint == servers[0].base_url:
                holding.add(str(worker.pk))
                most = max(most, len(holding))
        try:
            honest(reading, worker)
        finally:
            with lock:
                holding.discard(str(worker.pk))

    monkeypatch.setattr(cml_reading, "_ask", counted)

    look()
    assert SUSPECTS < most <= PARALLEL  # nobody knew
    assert set(Worker.objects.filter(pk__in=[w.pk for w in hanging]).values_list("cml_timeouts", flat=True)) == {1}

    most = 0
    Worker.objects.filter(pk__in=[w.pk for w in well]).update(cml_due_at=timezone.now() - timedelta(seconds=1))
    Worker.objects.filter(pk__in=[w.pk for w in hanging]).update(cml_due_at=timezone.now() - timedelta(minutes=1))
    began, took = look()
    assert most == SUSPECTS
    # The hanging ones were due first, and are read to the last; the others did not wait for them.
    assert took >= READ_TIMEOUT * len(hanging) / SUSPECTS
    assert latest(well, began) < took / 2


def test_a_running_task_takes_what_becomes_due_while_a_server_holds_it(servers: SimulatedFleet) -> None:
    workers_on(servers[0], 1)
    servers[0].set_mode("timeout")
    soon = timezone.now() + timedelta(seconds=READ_TIMEOUT / 2)
    (late,) = workers_on(servers[1], 1, cml_due_at=soon)

    look()

    late.refresh_from_db()
    assert late.cml_succeeded_at is not None


def test_the_longer_a_server_times_out_the_less_it_is_asked_and_it_says_so(servers: SimulatedFleet, settings: Any) -> None:
    settings.CML_INTERVAL = 300
    (worker,) = workers_on(servers[0], 1)
    servers[0].set_mode("timeout")
    waits, told = [], []
    for _ in range(6):
        Worker.objects.filter(pk=worker.pk).update(cml_due_at=None)
        look()
        worker.refresh_from_db()
        assert worker.cml_due_at is not None
        waits.append((worker.cml_due_at - timezone.now()).total_seconds())
        told.append(next((reason for reason in worker.service_reasons if "in a row" in reason), ""))

    for wait, intervals in zip(waits, (1, 2, 4, 6, 6, 6), strict=True):
        assert (intervals - 0.51) * 300 < wait < (intervals + 0.51) * 300
    assert told[0] == ""
    assert told[1] == "It timed out 2 times in a row, so it is asked only every 10 minutes; Refresh asks at once."
    assert (
        told[4] == told[5] == "It timed out several times in a row, so it is asked only every 30 minutes; Refresh asks at once."
    )

    servers[0].set_mode("none")
    Worker.objects.filter(pk=worker.pk).update(cml_due_at=None)
    look()
    worker.refresh_from_db()
    assert (worker.service_state, worker.cml_timeouts, worker.service_reasons) == ("ready", 0, [])
    assert worker.cml_due_at is not None
    assert worker.cml_due_at - timezone.now() < timedelta(seconds=1.51 * 300)


def test_one_server_holds_a_thread_no_longer_than_its_total_time(servers: SimulatedFleet) -> None:
    workers_on(servers[0], 1)
    # Each single call would be within its own limit: the look as a whole is not.
    servers[0].set_mode("slow", delay=0.02)

    _, took = look()

    assert took < 1.0 + 0.5


def test_whoever_is_waited_for_is_no_suspect(now: datetime) -> None:
    quiet = make_worker(cml_timeouts=3, cml_due_at=now - timedelta(minutes=2))
    asked = make_worker(cml_timeouts=3, cml_due_at=now, refresh_asked_at=now)

    claimed = due.claim_cml(limit=10, suspects=0, interval=300, now=now)

    assert [worker.pk for worker in claimed] == [asked.pk]
    assert [worker.pk for worker in due.claim_cml(limit=10, suspects=1, interval=300, now=now)] == [quiet.pk]


def test_neither_those_that_hang_nor_the_others_can_take_all_places(now: datetime) -> None:
    for _ in range(6):
        make_worker(cml_timeouts=1, cml_due_at=now - timedelta(minutes=2))
        make_worker(cml_due_at=now)

    claimed = due.claim_cml(limit=6, suspects=2, interval=300, now=now)

    assert sum(worker.cml_timeouts > 0 for worker in claimed) == 2
    assert len(claimed) == 6


def test_a_refusal_that_comes_at_once_is_no_time_out(now: datetime) -> None:
    refused = cml_reading.Reading(errors={"system_information": cml.CmlUnreachable("Nothing answers.")}, seconds=0.01)
    worker = make_worker(cml_timeouts=2, machine_state_since=now - timedelta(hours=3))

    assert fields_of(worker, refused, now=now)["cml_timeouts"] == 0


def test_a_task_claims_nothing_that_it_could_not_finish_in_its_time(now: datetime) -> None:
    make_worker(cml_due_at=now)
    make_worker(cml_timeouts=1, cml_due_at=now)

    assert cml_refresh._next([], now=now, passed=cml_refresh.LAST_CLAIM + 1) == []
    assert [w.cml_timeouts for w in cml_refresh._next([], now=now, passed=cml_refresh.LAST_SUSPECT + 1)] == [0]


def test_alerts_that_cannot_be_judged_cost_no_answer(
    servers: SimulatedFleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    workers = workers_on(servers[1], 3)
    monkeypatch.setattr(cml_refresh, "JUDGED", 1)

    def locked(**_: object) -> int:
        raise OperationalError("database is locked")

    monkeypatch.setattr(cml_refresh.evaluation, "evaluate", locked)

    look()

    assert Worker.objects.filter(pk__in=[w.pk for w in workers], cml_succeeded_at__isnull=False).count() == 3
    assert "could not be judged" in caplog.text
