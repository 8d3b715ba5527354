"""What opens and what closes each kind of alert."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.workers.alerting import healthy, judged, measured
from workers.choices import EventKind, ServiceState
from workers.models import Alert, Event, Worker
from workers.services import record
from workers.services.alerts.conditions import verdict
from workers.services.alerts.evaluation import evaluate
from workers.services.alerts.facts import facts_of
from workers.services.alerts.verdicts import Clear, Raise

pytestmark = pytest.mark.django_db


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_a_healthy_fleet_has_no_alerts(now: datetime) -> None:
    healthy(now)
    healthy(now, machine_state="stopped", service_state="unknown", system_check="", instance_check="")

    assert evaluate(now=now) == 0
    assert not Alert.objects.exists()


@pytest.mark.parametrize("figure", ["cpu", "memory", "disk"])
def test_usage_over_its_line_is_a_warning_and_then_critical(figure: str, now: datetime) -> None:
    worker = healthy(now)
    measured(worker, now, [88, 88, 88], figure=figure)
    assert judged(now, worker) == {figure: "warning"}

    measured(worker, now + minutes(15), [99, 99, 99], figure=figure)
    assert judged(now + minutes(15), worker) == {figure: "critical"}


def test_cloudwatch_speaks_of_cpu_only_while_cml_is_silent(now: datetime) -> None:
    both, alone = healthy(now), healthy(now)
    for worker in (both, alone):
        measured(worker, now, [99, 99, 99], source="cloudwatch")
    measured(both, now, [10, 10, 10])

    assert judged(now, both) == {}
    assert judged(now, alone) == {"cpu": "critical"}


def test_what_was_measured_before_the_machine_started_does_not_count(now: datetime) -> None:
    worker = healthy(now, machine_state_since=now - minutes(2))
    measured(worker, now, [99, 99, 99])

    assert judged(now, worker) == {}


def not_ready(now: datetime, since: datetime, state: str = "unreachable", **overrides: object) -> Worker:
    """A worker whose CML was ready until `since`."""
    worker = healthy(now, service_state=state, service_reasons=["CML does not answer."], **overrides)
    record.event_of(
        worker, EventKind.SERVICE, before=ServiceState.READY.label, after="Unreachable", actor=record.CML, now=since
    ).save()
    return worker


def test_cml_that_is_not_ready_for_long_is_told_with_its_reason(now: datetime) -> None:
    assert judged(now, not_ready(now, now - minutes(19))) == {}

    worker = not_ready(now, now - minutes(21))
    assert judged(now, worker) == {"not_ready": "warning"}
    alert = Alert.objects.get()
    assert alert.since == now - minutes(21)
    assert "CML does not answer." in alert.sentence

    later = now + minutes(40)
    assert judged(later, worker, cml_checked_at=later, aws_succeeded_at=later) == {"not_ready": "critical"}
    assert judged(later, worker, service_state="degraded", cml_succeeded_at=later) == {}


def test_moving_between_starting_and_unreachable_does_not_begin_the_wait_anew(now: datetime) -> None:
    worker = not_ready(now, now - minutes(25), state="starting", service_state_since=now - minutes(1))

    assert judged(now, worker) == {"not_ready": "warning"}


def test_a_machine_that_has_just_started_is_given_time(now: datetime) -> None:
    worker = not_ready(now, now - minutes(300), state="starting", machine_state_since=now - minutes(15))

    assert judged(now, worker) == {}


def test_whether_cml_is_ready_is_not_judged_by_an_old_look(now: datetime) -> None:
    worker = not_ready(now, now - minutes(300), cml_checked_at=now - minutes(300), cml_succeeded_at=now - minutes(300))

    assert judged(now, worker) == {"stale": "critical"}
    assert "CML last answered at 07:00 on 23 Nov 2026 UTC" in Alert.objects.get().sentence


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("out_of_compliance", {"license": "critical"}),
        ("expired", {"license": "critical"}),
        ("failed", {"license": "critical"}),
        ("unregistered", {"license": "warning"}),
        ("evaluation", {}),
        ("in_progress", {}),
    ],
)
def test_each_trouble_with_the_licence_has_its_severity(state: str, expected: dict[str, str], now: datetime) -> None:
    assert judged(now, healthy(now, license_state=state)) == expected


def test_a_licence_alert_outlives_an_odd_answer_and_a_stop_and_ends_with_a_registration(now: datetime) -> None:
    worker = healthy(now, license_state="expired")
    assert judged(now, worker) == {"license": "critical"}

    assert judged(now, worker, license_state="unknown") == {"license": "critical"}
    assert judged(now, worker, machine_state="stopped", service_state="unknown") == {"license": "critical"}
    assert judged(now, worker, machine_state="running", license_state="registered", service_state="ready") == {}


@pytest.mark.parametrize(("days", "severity"), [(31, None), (30, "warning"), (8, "warning"), (7, "critical"), (-1, "critical")])
def test_a_licence_is_told_before_it_expires(days: int, severity: str | None, now: datetime) -> None:
    worker = healthy(now)
    # The fields come with the licence pages; a condition reads them where they are.
    worker.license_expires_at = now + timedelta(days=300)  # type: ignore[attr-defined]
    worker.authorization_expires_at = now + timedelta(days=days)  # type: ignore[attr-defined]

    from workers.alert_choices import AlertKind

    found = verdict(AlertKind.LICENSE_EXPIRY, worker, facts_of([worker], now=now, all_workers=False))

    assert (found.severity if isinstance(found, Raise) else None) == severity
    if isinstance(found, Raise):
        assert found.sentence.startswith("The authorization of the licence expire")


def test_old_knowledge_names_its_sources_and_closes_upon_the_first_success(now: datetime) -> None:
    worker = healthy(now, aws_succeeded_at=now - minutes(25))
    assert judged(now, worker) == {"stale": "warning"}
    alert = Alert.objects.get()
    assert "EC2 last answered at 11:35 on 23 Nov 2026 UTC" in alert.sentence
    assert "CML" not in alert.sentence

    assert judged(now, worker, cml_succeeded_at=now - minutes(70)) == {"stale": "critical"}
    alert.refresh_from_db()
    assert "EC2 last answered at 11:35" in alert.sentence
    assert "CML last answered at 10:50" in alert.sentence

    assert judged(now, worker, cml_succeeded_at=now, aws_succeeded_at=now) == {}


def test_a_cml_that_nobody_could_ask_yet_is_not_old_knowledge(now: datetime) -> None:
    met = healthy(now, cml_checked_at=None, cml_succeeded_at=None, service_state="unknown")

    assert judged(now, met, created_at=now - minutes(2)) == {}
    assert judged(now, met, created_at=now - minutes(25)) == {"stale": "warning"}


def test_a_cml_that_is_known_not_to_answer_is_not_told_twice(now: datetime) -> None:
    worker = not_ready(now, now - minutes(90), cml_succeeded_at=now - minutes(90))

    assert judged(now, worker) == {"not_ready": "critical"}


def test_after_an_outage_of_the_portal_itself_it_looks_before_it_speaks(now: datetime) -> None:
    away = now - minutes(180)
    old = {"aws_checked_at": away, "aws_succeeded_at": away, "cml_checked_at": away, "cml_succeeded_at": away}
    workers = [healthy(now, **old, aws_due_at=away, cml_due_at=away) for _ in range(3)]

    assert evaluate(now=now) == 0

    # It makes everything due and reads one after another: whose turn has not come is not judged by that.
    Worker.objects.update(aws_due_at=None, cml_due_at=None)
    Worker.objects.filter(pk=workers[1].pk).update(aws_checked_at=now, cml_checked_at=now)
    assert evaluate(now=now) == 0

    # The first look brings the others' news, but this one still does not answer.
    Worker.objects.exclude(pk=workers[0].pk).update(aws_checked_at=now, aws_succeeded_at=now, cml_succeeded_at=now)
    Worker.objects.update(aws_checked_at=now, cml_checked_at=now, aws_due_at=now + minutes(1), cml_due_at=now + minutes(5))
    evaluate(now=now)
    assert [alert.worker for alert in Alert.objects.open()] == [workers[0]]


def test_failed_status_checks_are_critical(now: datetime) -> None:
    worker = healthy(now, system_check="impaired")
    assert judged(now, worker) == {"checks": "critical"}
    assert "system status check failed" in Alert.objects.get().sentence

    assert judged(now, worker, system_check="insufficient-data") == {"checks": "critical"}
    assert judged(now, worker, system_check="ok") == {}


def test_a_lost_machine_is_critical_and_one_that_could_not_be_made_a_warning(now: datetime) -> None:
    lost = healthy(now, machine_state="lost", service_state="unknown")
    failed = healthy(
        now, machine_state="failed", instance_id="", machine_state_reason="EC2 has no capacity.", service_state="unknown"
    )

    assert judged(now, lost) == {"machine": "critical"}
    assert judged(now, failed) == {"machine": "warning"}
    assert Alert.objects.get(worker=failed).sentence == "EC2 has no capacity."
    assert judged(now, lost, machine_state="running", service_state="ready") == {}


@pytest.mark.parametrize("state", ["stopping", "stopped", "shutting-down", "terminated"])
def test_a_machine_that_does_not_run_closes_what_makes_no_sense_any_more(state: str, now: datetime) -> None:
    worker = not_ready(now, now - minutes(30), system_check="impaired", license_state="expired")
    measured(worker, now, [99] * 5, figure="disk")
    assert set(judged(now, worker)) == {"not_ready", "checks", "license", "disk"}

    left = judged(now, worker, machine_state=state, service_state="unknown")

    assert left == ({"license": "critical"} if state in {"stopping", "stopped"} else {})
    closed = Alert.objects.get(kind="disk")
    assert (closed.close_reason, closed.closing) == ("machine", f"The machine is {state.replace('-', ' ')}.")
    event = Event.objects.filter(kind="alert.closed", alert=closed).get()
    assert (event.before, event.after) == ("Critical", "Machine off or gone")


def test_a_condition_clears_with_a_sentence(now: datetime) -> None:
    worker = healthy(now)
    facts = facts_of([worker], now=now, all_workers=False)
    from workers.alert_choices import AlertKind

    cleared = [found.sentence for kind in AlertKind if isinstance(found := verdict(kind, worker, facts), Clear)]

    assert "CML is ready." in cleared
    assert all(sentence.endswith(".") for sentence in cleared)
