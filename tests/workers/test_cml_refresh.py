"""The CML refresh against simulated servers over HTTPS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.makers import make_worker
from tests.simulated_cml import PASSWORD, USERNAME, ServerSpec, SimulatedCml, SimulatedFleet, eventually, start_simulated_cml
from workers.clients import cml
from workers.models import Event, Sample, Worker
from workers.services.cml_refresh import refresh_cml

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    specs = [ServerSpec(demo=name) for name in ("ccnp-encor-01", "tac-repro", "sp-core-research")]
    with start_simulated_cml(tmp_path_factory.mktemp("cml"), servers=specs) as fleet:
        eventually(lambda: len(fleet.reports()) == 3)
        yield fleet


@pytest.fixture(autouse=True)
def good_account(settings: object, servers: SimulatedFleet) -> Iterator[None]:
    settings.CML_USERNAME, settings.CML_PASSWORD = USERNAME, PASSWORD  # type: ignore[attr-defined]
    for server in servers:
        server.set_mode("none")
    yield
    for server in servers:
        server.set_mode("none")


def worker_of(server: SimulatedCml, **overrides: object) -> Worker:
    """A worker just met: running for three hours, nothing known of its CML."""
    fresh = {
        "name": server.spec.demo,
        "service_state": "unknown",
        "license_state": "unknown",
        "machine_state_since": timezone.now() - timedelta(hours=3),
        "address_kind": "custom",
        "custom_endpoint": server.base_url,
    }
    nothing = dict.fromkeys(("cpu", "memory", "disk", "nodes_running", "nodes_total", "labs_running", "labs_total"))
    return make_worker(**(fresh | nothing | {"cpu_source": ""} | overrides))


def refreshed(worker: Worker) -> Worker:
    """The worker after one refresh that it is due for."""
    Worker.objects.filter(pk=worker.pk).update(cml_due_at=None)
    assert refresh_cml(now=timezone.now()) == 1
    worker.refresh_from_db()
    return worker


def test_one_look_tells_everything_about_a_ready_server(servers: SimulatedFleet) -> None:
    worker = refreshed(worker_of(servers[0], labs_running=5, labs_total=8))

    assert (worker.service_state, worker.license_state, worker.cml_version) == ("ready", "registered", "2.9.1+build.7")
    assert worker.nodes_running == 42
    assert worker.cpu_source == "cml"
    assert all(value is not None and 0 < value < 100 for value in (worker.cpu, worker.memory, worker.disk))
    assert worker.computes[0]["hostname"] == "cml-controller"
    assert worker.health["computes"][0]["valid"] is True
    assert worker.cml_succeeded_at is not None
    sample = Sample.objects.get(worker=worker)
    assert (sample.source, sample.nodes, sample.labs) == ("cml", 42, 5)
    kinds = set(Event.objects.filter(worker=worker).values_list("kind", "after"))
    assert kinds == {("worker.service", "Ready"), ("worker.license", "Registered")}


def test_faults_become_states_with_sentences(servers: SimulatedFleet) -> None:
    unlicensed = worker_of(servers[1])
    degraded = worker_of(servers[2])

    assert refresh_cml(now=timezone.now()) == 2

    unlicensed.refresh_from_db()
    degraded.refresh_from_db()
    assert unlicensed.license_state == "unregistered"
    assert degraded.service_state == "degraded"
    assert degraded.service_reasons


@pytest.mark.parametrize(
    ("mode", "options", "state"),
    [
        ("refused", {}, "refused"),
        ("502", {}, "starting"),
        ("empty", {}, "unreachable"),
        ("garbage", {}, "unreachable"),
        ("garbage", {"paths": ["/system_stats"]}, "degraded"),
        ("502", {"paths": ["/system_health"]}, "degraded"),
        ("nulls", {}, "starting"),
    ],
    ids=str,
)
def test_each_misbehaviour_is_a_state_and_ends_with_the_misbehaviour(
    mode: str, options: dict[str, object], state: str, servers: SimulatedFleet
) -> None:
    worker = refreshed(worker_of(servers[0]))
    assert worker.service_state == "ready"
    if mode == "refused":
        # A password that was changed on the server: the token of before is no longer taken either.
        servers[0].set_mode("token_expired")
        servers[0].set_fault("refused")
    else:
        servers[0].set_mode(mode, **options)

    worker = refreshed(worker)

    assert worker.service_state == state
    assert worker.service_reasons
    assert worker.service_reasons[0][-1] in ".!"

    servers[0].change(mode="none", fault="")
    worker = refreshed(worker)
    assert (worker.service_state, worker.service_reasons) == ("ready", [])


def test_partial_answers_are_kept(servers: SimulatedFleet) -> None:
    servers[0].set_mode("garbage", paths=["/system_stats"])

    worker = refreshed(worker_of(servers[0]))

    assert worker.license_state == "registered"
    assert worker.cpu is None
    assert not Sample.objects.exists()


def test_an_expired_token_is_renewed_without_anybody_noticing(servers: SimulatedFleet) -> None:
    worker = refreshed(worker_of(servers[0]))
    servers[0].set_mode("token_expired")

    assert refreshed(worker).service_state == "ready"


def test_a_server_that_hangs_delays_no_other(
    servers: SimulatedFleet, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    hanging, well = worker_of(servers[0]), worker_of(servers[2])
    servers[0].set_mode("timeout")
    finished: dict[str, float] = {}
    start = time.monotonic()
    from workers.services import cml_refresh

    keep = cml_refresh._keep

    def timed(worker: Worker, reading: object) -> None:
        keep(worker, reading)  # type: ignore[arg-type]
        finished[worker.name] = time.monotonic() - start

    monkeypatch.setattr(cml_refresh, "_keep", timed)
    settings.CML_READ_TIMEOUT = 3.0  # type: ignore[attr-defined]

    assert refresh_cml(now=timezone.now()) == 2

    assert finished[well.name] < 2 < 3 <= finished[hanging.name] < 8
    hanging.refresh_from_db()
    assert hanging.service_state == "unreachable"


def test_nothing_changed_means_no_event_and_no_announcement(servers: SimulatedFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = refreshed(worker_of(servers[0]))
    # The figures move a little all the time; the state must not be announced for that.
    monkeypatch.setattr("workers.services.cml_story.significant", lambda old, new: False)
    told: list[object] = []
    monkeypatch.setattr("workers.services.cml_refresh.events.announce_workers", told.append)
    before = Event.objects.count()

    refreshed(worker)

    assert told == []
    assert Event.objects.count() == before
    assert Sample.objects.count() >= 1


def test_labs_are_not_asked_for_here(servers: SimulatedFleet) -> None:
    asked = servers[0].requests().get("GET /populate_lab_tiles", 0)

    refreshed(worker_of(servers[0]))

    assert servers[0].requests().get("GET /populate_lab_tiles", 0) == asked


def test_an_answer_about_a_machine_that_was_stopped_meanwhile_counts_no_more(
    servers: SimulatedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(servers[0])
    from workers.services import cml_refresh

    keep = cml_refresh._keep

    def stop_first(found: Worker, reading: object) -> None:
        Worker.objects.filter(pk=found.pk).update(machine_state="stopping")
        keep(found, reading)  # type: ignore[arg-type]

    monkeypatch.setattr(cml_refresh, "_keep", stop_first)

    refresh_cml(now=timezone.now())

    worker.refresh_from_db()
    assert worker.service_state == "unknown"
    assert not Sample.objects.exists()


def test_a_booting_cml_is_looked_at_more_often(tmp_path: Path) -> None:
    with start_simulated_cml(tmp_path, servers=[ServerSpec(demo="ccna-evening", running_for=0)]) as fleet:
        worker = refreshed(worker_of(fleet[0], machine_state_since=timezone.now()))
        assert worker.service_state == "starting"
        assert worker.cml_due_at is not None
        assert worker.cml_due_at <= timezone.now() + timedelta(seconds=15)


def test_without_an_account_only_readiness_is_known_and_the_page_says_so(servers: SimulatedFleet, settings: object) -> None:
    settings.CML_PASSWORD = ""  # type: ignore[attr-defined]

    worker = refreshed(worker_of(servers[0]))

    assert (worker.service_state, worker.cml_version) == ("degraded", "2.9.1+build.7")
    assert "no account on this CML" in worker.service_reasons[0]


def test_a_defect_of_ours_stops_one_worker_and_not_the_fleet(
    servers: SimulatedFleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, well = worker_of(servers[0]), worker_of(servers[2])
    honest = cml.CmlClient.system_health

    def system_health(self: cml.CmlClient) -> cml.SystemHealth:
        if self.base_url == broken.custom_endpoint:
            raise KeyError("nobody foresaw this")
        return honest(self)

    monkeypatch.setattr(cml.CmlClient, "system_health", system_health)

    assert refresh_cml(now=timezone.now()) == 2

    well.refresh_from_db()
    broken.refresh_from_db()
    assert well.service_state == "degraded"
    assert "could not understand" in " ".join(broken.service_reasons)
    assert [record.message for record in caplog.records].count("Reading CML of ccnp-encor-01 failed") == 1


def test_a_refresh_costs_the_same_queries_for_each_worker(servers: SimulatedFleet) -> None:
    def queries(count: int) -> int:
        Worker.objects.all().delete()
        for _ in range(count):
            worker_of(servers[0])
        with CaptureQueriesContext(connection) as captured:
            refresh_cml(now=timezone.now())
        return len(captured)

    one, three = queries(1), queries(3)
    assert three - one <= 2 * 14
