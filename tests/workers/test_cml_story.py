"""What a look at CML means. The readings here are the client's own types; test_cml_refresh gets them from a server."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.makers import make_worker
from workers.clients import cml
from workers.services.cml_reading import Reading
from workers.services.cml_story import fields_of, license_state_of, service_state

pytestmark = pytest.mark.django_db
READY = cml.SystemInformation(version="2.9.1+build.7", ready=True)


def health(valid: bool | None = True, **checks: bool) -> cml.SystemHealth:
    compute = cml.ComputeHealth(
        hostname="cml-controller", is_controller=True, valid=valid, admission_state="READY", checks=checks
    )
    return cml.SystemHealth(valid=valid, is_licensed=True, is_enterprise=True, computes=(compute,), controller={})


def stats(cpu: float | None = 50, memory: float | None = 50, disk: float | None = 50) -> cml.SystemStats:
    return cml.SystemStats(
        cpu_percent=cpu, memory_percent=memory, disk_percent=disk, nodes_running=3, nodes_total=9, computes=()
    )


@pytest.mark.parametrize(
    ("reading", "state", "words"),
    [
        (Reading(information=READY, health=health()), "ready", ""),
        (Reading(information=cml.SystemInformation(version="2.9.1", ready=False)), "starting", "no compute can start nodes"),
        (Reading(information=READY, health=health(False, libvirt=False)), "degraded", "cml-controller"),
        (Reading(information=READY, health=health(None)), "ready", ""),
        (Reading(information=READY, errors={"system_stats": cml.CmlUnexpected("Odd answer.")}), "degraded", "Odd answer."),
        (Reading(information=READY, errors={"system_stats": cml.CmlRefused("Wrong password.")}), "refused", "Wrong password."),
        (
            Reading(errors={"system_information": cml.CmlCertificateRefused("Another certificate.")}),
            "refused",
            "Another certificate.",
        ),
        (Reading(errors={"system_information": cml.CmlNotReady("Booting.")}), "starting", "does not answer yet"),
        (Reading(errors={"system_information": cml.CmlUnexpected("Not CML.")}), "unreachable", "Not CML."),
        (Reading(problem="No address yet."), "unreachable", "No address yet."),
    ],
)
def test_service_state(reading: Reading, state: str, words: str, now: datetime) -> None:
    worker = make_worker(machine_state_since=now - timedelta(hours=3))

    found, reasons = service_state(worker, reading, now=now)

    assert found == state
    assert words in " ".join(reasons)
    assert bool(reasons) == (state != "ready")


def test_silence_is_booting_at_first_and_a_fault_later(now: datetime) -> None:
    silent = Reading(errors={"system_information": cml.CmlUnreachable("Nobody answers.")})
    booting = make_worker(machine_state_since=now - timedelta(minutes=19), cml_succeeded_at=now - timedelta(days=1))
    late = make_worker(machine_state_since=now - timedelta(minutes=21), cml_succeeded_at=now - timedelta(days=1))
    fallen_silent = make_worker(machine_state_since=now - timedelta(minutes=19), cml_succeeded_at=now - timedelta(minutes=5))

    assert [service_state(w, silent, now=now)[0] for w in (booting, late, fallen_silent)] == [
        "starting",
        "unreachable",
        "unreachable",
    ]


@pytest.mark.parametrize(
    ("registration", "authorization", "state"),
    [
        ("COMPLETED", "IN_COMPLIANCE", "registered"),
        ("COMPLETED", "OUT_OF_COMPLIANCE", "out_of_compliance"),
        ("COMPLETED", "INIT", "in_progress"),
        ("COMPLETED", "AUTHORIZATION_EXPIRED", "expired"),
        ("COMPLETED", "EVAL_MODE", "evaluation"),
        ("COMPLETED", "SOMETHING_NEW", "other"),
        ("IN_PROGRESS", "INIT", "in_progress"),
        ("RETRY_IN_PROGRESS", "", "in_progress"),
        ("NOT_REGISTERED", "INIT", "unregistered"),
        ("NOT_REGISTERED", "EVAL_EXPIRED", "expired"),
        ("FAILED", "INIT", "failed"),
        ("SOMETHING_NEW", "", "other"),
        ("", "", "unknown"),
    ],
)
def test_license_state_keeps_cmls_own_words(registration: str, authorization: str, state: str) -> None:
    licensing = cml.Licensing(
        registration_status=registration,
        authorization_status=authorization,
        product="CML_Enterprise",
        is_enterprise=True,
        registration_expires_at=None,
        authorization_expires_at=None,
        features=(),
        smart_account="",
        virtual_account="",
    )

    found, text = license_state_of(licensing)

    assert found == state
    assert text == ", ".join(word for word in (registration, authorization, "CML_Enterprise") if word)


@pytest.mark.parametrize(
    ("old", "new", "written"),
    [
        (50, 54.9, False),
        (50, 55, True),
        (69, 70, True),
        (71, 69.5, True),
        (89.9, 90.1, True),
        (None, 1, True),
        (50, 50, False),
        (91, 93, False),
    ],
)
def test_usage_is_written_only_when_it_moved_or_crossed_a_line(
    old: float | None, new: float, written: bool, now: datetime
) -> None:
    worker = make_worker(memory=old)

    fields = fields_of(worker, Reading(information=READY, stats=stats(memory=new)), now=now)

    assert ("memory" in fields) is written


def test_what_was_not_answered_keeps_its_last_value(now: datetime) -> None:
    worker = make_worker(labs_running=2, labs_total=4, memory=33.0)

    fields = fields_of(worker, Reading(information=READY, errors={"system_stats": cml.CmlUnexpected("Odd.")}), now=now)

    assert {"labs_running", "labs_total", "memory", "nodes_running", "license_state", "health"} & fields.keys() == set()
