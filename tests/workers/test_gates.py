"""The gates on a worker's way to readiness: open, shut or unknown, since when, and why; on row and page without a query."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection as database
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.clients import cml
from workers.dressing import dressed
from workers.gates import gates_of
from workers.models import Event, Operation, Worker
from workers.services import readiness, record
from workers.services.cml_reading import Reading
from workers.services.cml_story import fields_of

pytestmark = pytest.mark.django_db
READY = cml.SystemInformation(version="2.9.1", ready=True)
BOOTING = cml.SystemInformation(version="2.9.1", ready=False)
ADMIN = cml.CmlAccount(user_id="1", username="portal", is_admin=True)
GUEST = cml.CmlAccount(user_id="2", username="guest", is_admin=False)


def stats() -> cml.SystemStats:
    return cml.SystemStats(cpu_percent=5, memory_percent=5, disk_percent=5, nodes_running=0, nodes_total=0, computes=())


def health(**checks: bool) -> cml.SystemHealth:
    compute = cml.ComputeHealth(hostname="h", is_controller=True, valid=None, admission_state="READY", checks=checks)
    return cml.SystemHealth(valid=None, is_licensed=True, is_enterprise=True, computes=(compute,), controller={})


def looked(worker: Worker, reading: Reading, now: datetime) -> Worker:
    """The worker after a look, as the refresh keeps it, with the events it leaves."""
    before = worker.gates
    changes = record.differences(worker, fields_of(worker, reading, now=now))
    story = record.apply(worker, dict(changes), actor=record.CML, now=now)
    assert story is not None
    Event.objects.bulk_create([*story, *readiness.story_of(worker, before, changes, now=now)])
    return Worker.objects.get(pk=worker.pk)


def states(worker: Worker) -> dict[str, str]:
    return {gate.name: gate.shown.value for gate in gates_of(worker)}


def gate(worker: Worker, name: str) -> object:
    return next(found for found in gates_of(worker) if found.name == name)


WELL = Reading(information=READY, account=ADMIN, stats=stats(), health=health())


def test_all_gates_of_a_ready_worker_are_open_since_they_opened(now: datetime) -> None:
    worker = make_worker(system_check="ok", instance_check="ok", machine_state_since=now - timedelta(hours=3))

    worker = looked(worker, WELL, now)
    later = looked(worker, WELL, now + timedelta(minutes=5))

    assert set(states(later).values()) == {"open"}
    assert [found.name for found in gates_of(later)] == ["running", "checks", "answers", "accepted", "cml", "licensed"]
    assert gate(later, "cml").since == now  # type: ignore[attr-defined]
    assert gate(later, "running").since == now - timedelta(hours=3)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("reading", "shut", "state", "why"),
    [
        (Reading(errors={"system_information": cml.CmlUnreachable("Nothing answers.")}), "answers", "shut", "Nothing answers."),
        (Reading(errors={"system_information": cml.CmlNotReady("502.")}), "answers", "soon", "does not answer yet"),
        (
            Reading(errors={"system_information": cml.CmlCertificateRefused("Not accepted.")}),
            "accepted",
            "shut",
            "Not accepted.",
        ),
        (
            Reading(
                information=READY, errors={"system_stats": cml.CmlRefused("Wrong password.", "POST /auth_extended: HTTP 403")}
            ),
            "accepted",
            "shut",
            "Wrong password.",
        ),
        (Reading(information=READY, problem="The portal has no account."), "accepted", "shut", "no account"),
        (Reading(information=BOOTING, stats=stats(), health=health()), "cml", "soon", "no compute can start nodes"),
        (
            Reading(information=BOOTING, stats=stats(), health=health(kvm_vmx_enabled=False)),
            "cml",
            "shut",
            "Hardware virtualisation is off: this instance type cannot run nodes.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_shut_gate_says_why(reading: Reading, shut: str, state: str, why: str, now: datetime) -> None:
    worker = looked(make_worker(machine_state_since=now - timedelta(minutes=25)), WELL, now - timedelta(minutes=10))

    worker = looked(worker, reading, now)

    found = gate(worker, shut)
    assert states(worker)[shut] == state
    assert why in found.why  # type: ignore[attr-defined]
    assert found.since == now  # type: ignore[attr-defined]


def test_what_cannot_be_told_is_unknown_and_not_open(now: datetime) -> None:
    worker = looked(make_worker(), Reading(errors={"system_information": cml.CmlUnreachable("Nothing.")}), now)
    assert (states(worker)["accepted"], states(worker)["cml"]) == ("unknown", "unknown")

    stopped = make_worker(machine_state="stopped", gates=worker.gates)
    assert set(list(states(stopped).values())[1:]) == {"unknown"}
    assert states(stopped)["running"] == "shut"


def test_an_account_that_is_no_administrator_is_said_at_the_open_gate_and_once_in_the_timeline(now: datetime) -> None:
    worker = looked(make_worker(), WELL, now)
    guest = Reading(information=READY, account=GUEST, stats=stats(), health=health())

    worker = looked(worker, guest, now + timedelta(minutes=5))
    # Later looks do not ask for the account again; what was learnt holds.
    worker = looked(worker, Reading(information=READY, stats=stats(), health=health()), now + timedelta(minutes=10))

    found = gate(worker, "accepted")
    assert (found.state, found.since) == ("open", now)  # type: ignore[attr-defined]
    assert "guest is no administrator: labs of others are not seen" in found.why  # type: ignore[attr-defined]
    told = Event.objects.filter(worker=worker, kind="worker.gate")
    assert [event.after for event in told] == ["Certificate and account accepted: open"]
    assert "no administrator" in told[0].detail


def test_what_the_services_state_says_already_is_not_told_twice(now: datetime) -> None:
    worker = looked(make_worker(), WELL, now)

    looked(worker, Reading(errors={"system_information": cml.CmlUnreachable("Nothing.")}), now + timedelta(minutes=5))

    assert list(Event.objects.values_list("kind", flat=True)) == ["worker.service"]


@pytest.mark.parametrize(
    ("system", "instance", "state"),
    [
        ("ok", "ok", "open"),
        ("ok", "impaired", "shut"),
        ("initializing", "ok", "soon"),
        ("", "", "unknown"),
        ("insufficient-data", "ok", "unknown"),
    ],
)
def test_status_checks_are_a_gate(system: str, instance: str, state: str) -> None:
    worker = make_worker(system_check=system, instance_check=instance)
    assert states(worker)["checks"] == state


def test_impaired_checks_are_told_and_since_when_and_checking_after_a_start_is_not(now: datetime) -> None:
    worker = make_worker(system_check="", instance_check="")
    for minutes, system, instance in (
        (0, "initializing", "initializing"),
        (1, "ok", "initializing"),
        (2, "ok", "ok"),
        (9, "ok", "impaired"),
        (12, "ok", "ok"),
    ):
        changes = record.differences(worker, {"system_check": system, "instance_check": instance})
        Event.objects.bulk_create(record.apply(worker, changes, actor=record.EC2, now=now + timedelta(minutes=minutes)) or [])
        if minutes == 1:
            assert gate(worker, "checks").since == now  # type: ignore[attr-defined]

    assert gate(worker, "checks").since == now + timedelta(minutes=12)  # type: ignore[attr-defined]
    told = Event.objects.filter(kind="worker.checks").order_by("at").values_list("before", "after")
    assert list(told) == [("Pass", "Impaired"), ("Impaired", "Pass")]


def test_a_machine_that_is_starting_for_too_long_says_so_in_a_few_steps(now: datetime) -> None:
    silent = Reading(errors={"system_information": cml.CmlNotReady("502.")})
    began = now - timedelta(days=2)
    worker = make_worker(machine_state_since=began, service_state="unknown", cml_succeeded_at=None)
    said = []
    for minutes in (5, 25, 35, 50, 70, 100, 130, 23 * 60):
        worker = looked(worker, silent, began + timedelta(minutes=minutes))
        said.append(next((reason for reason in worker.service_reasons if "starting for more than" in reason), ""))

    assert worker.service_state == "starting"
    assert [words.partition(",")[0].removeprefix("It has been starting for more than ") for words in said] == [
        "",
        "",
        "30 minutes",
        "30 minutes",
        "60 minutes",
        "60 minutes",
        "2 hours",
        "8 hours",
    ]


def test_the_licence_of_now_counts_when_an_operation_changed_it_since_the_last_look(now: datetime) -> None:
    worker = looked(make_worker(license_state="unregistered"), WELL, now)
    assert states(worker)["licensed"] == "shut"

    worker.license_state = "registered"

    assert (states(worker)["licensed"], gate(worker, "licensed").since) == ("open", None)  # type: ignore[attr-defined]


# ── Row and page ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_row_shows_its_gates_only_while_not_all_are_open(now: datetime) -> None:
    well = looked(make_worker(system_check="ok", instance_check="ok"), WELL, now)
    booting = looked(make_worker(system_check="ok", instance_check="ok"), Reading(information=BOOTING, stats=stats()), now)

    rows = {}
    for worker in dressed(Worker.objects.filter(pk__in=[well.pk, booting.pk]), now=now):
        with CaptureQueriesContext(database) as captured:
            rows[worker.pk] = render_to_string("workers/components/row.html", {"worker": worker})
        assert len(captured) == 0

    assert "gate-strip" not in rows[well.pk]
    strip = rows[booting.pk]
    assert "5 of 6 gates are open. CML is ready: not yet. CML answers, but no compute can start nodes yet." in strip
    assert strip.count("<path data-tone") == 6


def test_the_page_shows_one_list_of_gates_with_what_the_operation_on_its_way_knows(now: datetime, uma: User) -> None:
    worker = looked(make_worker(machine_state_since=now), Reading(errors={"system_information": cml.CmlNotReady("502.")}), now)
    done = {
        "detail": "",
        "state": "done",
        "started_at": now.isoformat(),
        "finished_at": (now + timedelta(seconds=42)).isoformat(),
    }
    waits = {"detail": "", "state": "running", "started_at": now.isoformat(), "finished_at": ""}
    Operation.objects.create(
        kind="start",
        worker=worker,
        worker_name=str(worker),
        actor_kind="person",
        asked_at=now,
        due_at=now,
        state="running",
        slot="life",
        steps=[
            {"name": "start", "label": "Ask EC2 to start it"} | done,
            {"name": "running", "label": "EC2 says running"} | done,
            {"name": "checks", "label": "Status checks pass"} | waits,
            {"name": "cml", "label": "CML is ready"} | waits | {"state": "pending", "started_at": ""},
        ],
    )

    page = signed_in(uma).get(f"/workers/{worker.pk}/").content.decode()

    assert page.count('data-part="gates"') == 1
    found = re.findall(r'data-part="gate-([a-z]+)"\s+data-state="([a-z]+)"', page)
    assert found == [
        ("start", "open"),
        ("running", "open"),
        ("checks", "soon"),
        ("answers", "soon"),
        ("accepted", "unknown"),
        ("cml", "unknown"),
        ("licensed", "open"),
    ]
    assert page.count("after 42 s") == 2


def test_a_machine_that_is_off_has_no_gates_on_its_page(uma: User) -> None:
    worker = make_worker(machine_state="stopped", service_state="unknown")
    assert 'data-part="gates"' not in signed_in(uma).get(f"/workers/{worker.pk}/").content.decode()
