"""The labs refresh against simulated CML servers: one call a worker, nothing written when nothing changed, nothing lost on bad days."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labs.models import Lab, LabsCheck
from labs.services.refresh import refresh_labs
from tests.makers import make_worker
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedCml, SimulatedFleet, eventually, start_simulated_cml
from workers.models import Event, Worker
from workers.services.due import claim_labs

pytestmark = pytest.mark.django_db
TILES = "GET /populate_lab_tiles"
WORKERS, LABS = 50, 20
SPECS = [ServerSpec(demo="ccnp-encor-01"), *(ServerSpec() for _ in range(WORKERS))]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=SPECS) as fleet:
        eventually(lambda: len(fleet.reports()) == len(SPECS), within=30)
        yield fleet


@pytest.fixture(autouse=True)
def good_account(settings: object, servers: SimulatedFleet) -> Iterator[None]:
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD  # type: ignore[attr-defined]
    yield
    servers[0].set_mode("none")


def worker_of(server: SimulatedCml, **overrides: object) -> Worker:
    """A ready worker whose labs were never read."""
    fresh = {"address_kind": "custom", "custom_endpoint": server.base_url, "labs_running": None, "labs_total": None}
    return make_worker(**({"name": server.spec.demo or server.instance_id} | fresh | overrides))


def refreshed(worker: Worker) -> Worker:
    """The worker after one reading of its labs that it is due for."""
    Worker.objects.filter(pk=worker.pk).update(labs_due_at=None)
    assert len(refresh_labs(now=timezone.now())) == 1
    worker.refresh_from_db()
    return worker


def lab_of(worker: Worker, title: str) -> Lab:
    return Lab.objects.get(worker=worker, title=title)


def written(captured: CaptureQueriesContext) -> list[str]:
    """The tables that statements wrote to."""
    statements = [query["sql"].replace('"', "") for query in captured]
    inserts = [sql.split()[2] for sql in statements if sql.startswith(("INSERT INTO", "DELETE FROM"))]
    return sorted(inserts + [sql.split()[1] for sql in statements if sql.startswith("UPDATE")])


def test_one_call_tells_everything_about_a_workers_labs(servers: SimulatedFleet) -> None:
    before = servers[0].requests().get(TILES, 0)

    worker = refreshed(worker_of(servers[0]))

    assert servers[0].requests()[TILES] == before + 1
    assert (worker.labs_total, worker.labs_running) == (8, 5)
    assert worker.labs_succeeded_at is not None
    assert worker.labs_due_at is not None
    assert worker.labs_due_at > timezone.now() + timedelta(minutes=29)
    lab = lab_of(worker, "ENCOR: BGP path selection")
    assert (lab.state, lab.owner_username, lab.owner_fullname, lab.node_count, lab.nodes_running) == (
        "STARTED",
        "ana",
        "Ana",
        12,
        12,
    )
    assert lab.cml_created_at is not None
    assert lab.description == "Part of ENCOR."
    assert len(lab.topology["nodes"]) == 12
    assert len(lab.topology["links"]) == lab.link_count
    assert {"label", "x", "y", "node_definition", "image_definition", "state", "cpus", "ram"} <= lab.topology["nodes"][0].keys()
    assert "\nexternal_connector\n" in lab.node_definitions
    # The labs of a worker just met are no news.
    assert not Event.objects.exists()


def test_fifty_workers_cost_one_call_each_and_nothing_is_written_when_nothing_changed(servers: SimulatedFleet) -> None:
    specs = [
        {"title": f"Lab {n:02}", "owner": "ana", "nodes": 3, "running": n % 3 == 0, "description": ""} for n in range(LABS)
    ]
    fleet = servers[1:]
    for server in fleet:
        server.change(add_labs=specs)
        worker_of(server)
    assert len(refresh_labs(now=timezone.now())) == WORKERS
    assert Lab.objects.count() == WORKERS * LABS
    Worker.objects.update(labs_due_at=None)
    before = {server.instance_id: server.requests() for server in fleet}
    events = Event.objects.count()

    start = time.monotonic()
    with CaptureQueriesContext(connection) as captured:
        outcomes = refresh_labs(now=timezone.now())
    took = time.monotonic() - start

    assert [(outcome.was_read, outcome.labs, outcome.changed) for outcome in outcomes] == [(True, LABS, 0)] * WORKERS
    for server in fleet:
        asked = {path: count - before[server.instance_id].get(path, 0) for path, count in server.requests().items()}
        assert {path: count for path, count in asked.items() if count} == {TILES: 1}
    # No row of a lab or of the history; on the workers, when they are due and were read: one statement for all to take them, and one
    # each second to mark those that were read by then.
    assert set(written(captured)) == {"workers_worker"}
    assert len(written(captured)) <= 2 + took
    assert Event.objects.count() == events
    assert Worker.objects.filter(labs_due_at__gt=timezone.now()).count() == WORKERS
    print(f"{WORKERS} workers × {LABS} labs, nothing changed: {took:.2f} s, {len(captured)} queries")


def test_what_changes_in_cml_is_written_and_told(servers: SimulatedFleet) -> None:
    worker = refreshed(worker_of(servers[0]))
    started, stopped = lab_of(worker, "ENCOR: BGP path selection"), lab_of(worker, "ENCOR: IP SLA")
    servers[0].change(lab_states={started.cml_id: "STOPPED", stopped.cml_id: "STARTED"})
    servers[0].change(add_labs=[{"title": "Brand new", "owner": "kim", "nodes": 2, "running": False, "description": ""}])

    with CaptureQueriesContext(connection) as captured:
        worker = refreshed(worker)

    assert written(captured).count("labs_lab") == 3
    started.refresh_from_db()
    assert (started.state, started.nodes_running) == ("STOPPED", 0)
    assert {node["state"] for node in started.topology["nodes"]} == {"STOPPED"}
    told = set(
        Event.objects.filter(worker=worker).values_list("kind", "subject_id", "subject_name", "before", "after", "actor_kind")
    )
    new = lab_of(worker, "Brand new")
    assert told == {
        ("lab.state", started.pk, started.title, "Running", "Stopped", "cml"),
        ("lab.state", stopped.pk, stopped.title, "Stopped", "Running", "cml"),
        ("lab.seen", new.pk, "Brand new", "", "Defined", "cml"),
    }
    assert (worker.labs_total, worker.labs_running) == (9, 5)
    servers[0].change(remove_labs=[new.cml_id], lab_states={started.cml_id: "STARTED", stopped.cml_id: "STOPPED"})


def test_a_lab_that_is_gone_is_kept_and_said_to_be_gone_once(servers: SimulatedFleet) -> None:
    added = {"title": "Here and there", "owner": "kim", "nodes": 2, "running": False, "description": ""}
    servers[0].change(add_labs=[added])
    worker = refreshed(worker_of(servers[0]))
    lab = lab_of(worker, "Here and there")
    seen_at = worker.labs_succeeded_at

    servers[0].change(remove_labs=[lab.cml_id])
    worker = refreshed(worker)

    lab.refresh_from_db()
    assert lab.gone_at is not None
    assert lab.last_seen_at == seen_at
    assert (lab.title, lab.node_count, worker.labs_total) == ("Here and there", 2, 8)
    assert list(Event.objects.for_subject(lab.pk).values_list("kind", "before")) == [("lab.gone", lab.state_word)]
    with CaptureQueriesContext(connection) as captured:
        refreshed(worker)
    assert "labs_lab" not in written(captured)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("502", {}),
        ("refused", {}),
        ("empty", {"paths": ["/populate_lab_tiles", "/labs"]}),
        ("garbage", {"paths": ["/populate_lab_tiles", "/labs"]}),
        ("error", {"status": 500, "paths": ["/populate_lab_tiles", "/labs"]}),
        ("error", {"status": 404, "paths": ["/populate_lab_tiles", "/labs"]}),
        ("nulls", {}),
    ],
    ids=str,
)
def test_a_bad_day_loses_nothing_and_ends_with_a_sentence(
    mode: str, options: dict[str, object], servers: SimulatedFleet
) -> None:
    worker = refreshed(worker_of(servers[0]))
    known = sorted(Lab.objects.values_list("pk", "title", "state", "digest", "gone_at"))
    servers[0].set_mode(mode, **options)

    worker = refreshed(worker)

    assert sorted(Lab.objects.values_list("pk", "title", "state", "digest", "gone_at")) == known
    assert (worker.labs_total, worker.labs_running) == (8, 5)
    assert not Event.objects.exists()
    assert worker.labs_due_at is not None
    assert worker.labs_due_at <= timezone.now() + timedelta(minutes=5), "asked for again soon"
    assert LabsCheck.objects.get(worker=worker).error.endswith(".")

    servers[0].set_mode("none")
    refreshed(worker)
    assert not LabsCheck.objects.exists()


@pytest.mark.parametrize("status", [404, 500])
def test_without_tiles_each_lab_is_asked_for_and_pictures_are_kept(status: int, servers: SimulatedFleet) -> None:
    worker = refreshed(worker_of(servers[0]))
    servers[0].set_mode("error", status=status, paths=["/populate_lab_tiles"])
    lab = lab_of(worker, "ENCOR: IP SLA")
    servers[0].change(lab_states={lab.cml_id: "STARTED"})
    before = servers[0].requests().get("GET /labs", 0)

    worker = refreshed(worker)

    lab.refresh_from_db()
    assert lab.state == "STARTED"
    assert len(lab.topology["nodes"]) == lab.node_count
    assert (worker.labs_total, worker.labs_running) == (8, 6)
    assert Lab.objects.filter(gone_at=None).count() == 8
    assert not LabsCheck.objects.exists()
    assert servers[0].requests()["GET /labs"] == before + 1
    servers[0].change(lab_states={lab.cml_id: "STOPPED"})


def test_two_beats_at_once_read_a_worker_once(servers: SimulatedFleet) -> None:
    worker = worker_of(servers[0])
    now = timezone.now()

    first = claim_labs(limit=9, until=now + timedelta(minutes=5), now=now)
    second = claim_labs(limit=9, until=now + timedelta(minutes=5), now=now)

    assert [one.pk for one in first] == [worker.pk]
    assert second == []
    later = now + timedelta(minutes=6)
    assert claim_labs(limit=9, until=later, now=later) == [worker], "whoever took it died"


def test_only_workers_that_run_and_are_ready_are_asked(servers: SimulatedFleet) -> None:
    for state in ({"machine_state": "stopped"}, {"service_state": "starting"}, {"service_state": "unreachable"}):
        worker_of(servers[0], **state)
    degraded = worker_of(servers[0], service_state="degraded")

    assert [outcome.worker for outcome in refresh_labs(now=timezone.now())] == [degraded]


def test_whoever_asks_while_the_labs_are_being_read_gets_another_reading(
    servers: SimulatedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = refreshed(worker_of(servers[0]))
    asked = timezone.now()
    from labs.services import refresh

    keep = refresh._keep

    def ask_first(*args: object) -> object:
        Worker.objects.filter(pk=worker.pk).update(labs_due_at=asked)
        return keep(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(refresh, "_keep", ask_first)

    worker = refreshed(worker)

    assert worker.labs_due_at == asked
    assert worker.labs_succeeded_at is not None
    assert worker.labs_succeeded_at > asked


@pytest.mark.parametrize("known", [True, False])
def test_an_answer_about_a_machine_that_was_stopped_meanwhile_counts_no_more(
    known: bool, servers: SimulatedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(servers[0])
    if known:
        worker = refreshed(worker)
    before = worker.labs_succeeded_at
    from labs.services import refresh

    keep = refresh._keep

    def stop_first(*args: object) -> object:
        Worker.objects.filter(pk=worker.pk).update(machine_state="stopping", labs_running=None)
        return keep(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(refresh, "_keep", stop_first)

    worker = refreshed(worker)

    assert worker.labs_succeeded_at == before
    assert worker.labs_running is None
    assert Lab.objects.exists() == known


def test_a_server_that_hangs_delays_no_other(servers: SimulatedFleet, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    hanging, well = worker_of(servers[0]), worker_of(servers[1])
    servers[0].set_mode("timeout")
    settings.CML_READ_TIMEOUT = 2
    finished: dict[str, float] = {}
    start = time.monotonic()
    from labs.services import refresh

    keep = refresh._keep

    def timed(this: object, worker: Worker, reading: object) -> object:
        outcome = keep(this, worker, reading)  # type: ignore[arg-type]
        finished[worker.name] = time.monotonic() - start
        return outcome

    monkeypatch.setattr(refresh, "_keep", timed)

    refresh_labs(now=timezone.now())

    assert finished[well.name] < 1.5 < 2 <= finished[hanging.name]
    assert "took too long" in LabsCheck.objects.get(worker=hanging).error
    assert not Lab.objects.filter(worker=hanging).exists()
