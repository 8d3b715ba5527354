"""Checks of background work, from rows alone: Celery workers, beat, jobs; and that a check's state and since are kept."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

import cmlmanager.system
from cmlmanager.system import checking, health, reading, timetable
from cmlmanager.system.choices import HealthState, ProcessKind
from cmlmanager.system.heartbeat import Pulse
from cmlmanager.system.models import CheckResult, Job, Process
from cmlmanager.system.runs import know
from tests.live.portal import until

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def found(name: str, now: datetime) -> health.Finding:
    check = health.check_named(name)
    assert check is not None
    return check.run(now)


def process(kind: str, name: str, seen: datetime, **facts: Any) -> Process:
    return Process.objects.create(name=name, kind=kind, started_at=seen - 60 * SECOND, seen_at=seen, facts=facts)


def test_without_a_celery_worker_nothing_is_done_and_the_page_says_so(now: datetime) -> None:
    finding = found("workers", now)

    assert finding.state == HealthState.FAILING
    assert finding.sentence.startswith("No Celery worker says that it lives")
    assert "celery -A cmlmanager worker" in finding.advice


def test_a_worker_tells_since_when_it_lives_and_what_it_runs(now: datetime) -> None:
    running = [{"task": "labs.refresh_labs", "since": (now - 12 * SECOND).isoformat()}]
    process("worker", "celery@a", now, concurrency=4, running=running, done=99)

    finding = found("workers", now)

    assert (finding.state, finding.sentence) == (HealthState.OK, "1 Celery worker at work.")
    assert finding.facts == {"celery@a": "since 23 Nov, 11:59 UTC; 4 at once; 99 taken; runs labs.refresh_labs for 12 s"}


def test_a_worker_that_is_gone_is_named_beside_those_at_work(now: datetime) -> None:
    process("worker", "celery@a", now)
    process("worker", "celery@b", now - 300 * SECOND)

    finding = found("workers", now)

    assert finding.state == HealthState.WARNING
    assert finding.sentence == "celery@b has not been heard of since 11:55 UTC. 1 Celery worker at work."
    assert finding.since == now - 300 * SECOND


def test_a_beat_that_stopped_is_failing_since_it_was_last_heard_of(now: datetime) -> None:
    process("beat", "beat@a:1", now - 120 * SECOND, ticked_at=(now - 120 * SECOND).isoformat())

    finding = found("beat", now)

    assert finding.state == HealthState.FAILING
    assert finding.sentence.startswith("No beat says that it lives: nothing becomes due")
    assert finding.since == now - 120 * SECOND


def test_a_beat_that_lives_but_does_not_tick_is_failing(now: datetime) -> None:
    process("beat", "beat@a:1", now, ticked_at=(now - 200 * SECOND).isoformat())

    assert found("beat", now).sentence == "Beat lives but has not ticked for 200 s."


def test_several_beats_do_no_harm(now: datetime) -> None:
    for name in ("beat@a:1", "beat@b:1"):
        process("beat", name, now, ticked_at=now.isoformat())

    assert found("beat", now).state == HealthState.OK


@pytest.mark.django_db(transaction=True)
def test_a_process_writes_its_row_by_itself_and_takes_it_away_when_it_ends() -> None:
    pulse = Pulse(name="celery@x", kind=ProcessKind.WORKER, facts=lambda: {"done": 7})
    pulse.start()
    until(lambda: Process.objects.filter(name="celery@x", facts={"done": 7}).exists(), "the row is written")

    pulse.stop()

    assert not Process.objects.exists()


# ── Late jobs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def all_ticked(now: datetime) -> None:
    know(timetable.entries(), now=now)
    Job.objects.update(ticked_at=now, started_at=now, ended_at=now)


def test_jobs_that_keep_their_times_are_well(now: datetime) -> None:
    all_ticked(now)

    assert found("jobs", now).sentence == f"{len(timetable.entries())} jobs keep their times."


def test_a_job_that_has_not_run_when_due_is_late_and_a_warning(now: datetime) -> None:
    all_ticked(now)
    Job.objects.filter(pk="retention").update(ticked_at=now - timedelta(hours=3))

    finding = found("jobs", now)

    assert finding.state == HealthState.WARNING
    assert finding.sentence == "Old usage is late."
    assert finding.since == now - timedelta(hours=2)
    assert finding.facts["Old usage"] == "was due 23 Nov, 10:00:00 UTC"


def test_a_paused_job_is_not_late(now: datetime) -> None:
    all_ticked(now)
    Job.objects.filter(pk="retention").update(
        ticked_at=now - timedelta(hours=3), paused_at=now, pause_reason="Migration of the disk", paused_name="ada"
    )

    finding = found("jobs", now)

    assert finding.state == HealthState.OK
    assert finding.sentence.endswith("Paused: Old usage.")
    assert finding.facts["Old usage"] == "paused by ada: Migration of the disk"


def test_a_job_that_failed_is_named_with_its_error(now: datetime) -> None:
    all_ticked(now)
    Job.objects.filter(pk="rollup").update(failing_since=now, error="OperationalError: disk full")

    finding = found("jobs", now)

    assert finding.sentence == "Hourly means failed the last time."
    assert finding.facts["Hourly means"] == "failed: OperationalError: disk full"


# ── Kept findings ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def one_check(monkeypatch: pytest.MonkeyPatch) -> dict[str, health.Said]:
    """The only check there is; it says what the test puts here."""
    says = {"now": health.ok("Fine.", latency_ms=1.0)}
    monkeypatch.setattr(health, "_checks", {})
    monkeypatch.setattr(health, "_providers", [])
    health.register(name="thing", label="Thing", group=health.Group.STORES)(lambda context: says["now"])
    return says


def test_since_is_when_the_state_began_and_not_the_newest_look(now: datetime, one_check: dict[str, health.Said]) -> None:
    checking.tick(now=now)
    checking.tick(now=now + 60 * SECOND)
    assert (CheckResult.objects.get().since, CheckResult.objects.get().checked_at) == (now, now + 60 * SECOND)

    one_check["now"] = health.failing("Broken.", "Mend it.")
    checking.tick(now=now + 120 * SECOND)
    row = CheckResult.objects.get()
    assert (row.state, row.since, row.advice) == ("failing", now + 120 * SECOND, "Mend it.")


def test_a_check_is_run_when_it_is_due_and_no_sooner_and_at_once_when_asked(
    now: datetime, one_check: dict[str, health.Said]
) -> None:
    checking.tick(now=now)
    checking.tick(now=now + 10 * SECOND)
    assert CheckResult.objects.get().checked_at == now

    checking.ask(now=now + 11 * SECOND)
    checking.tick(now=now + 12 * SECOND)
    assert CheckResult.objects.get().checked_at == now + 12 * SECOND


def test_what_no_job_ran_when_it_was_due_is_run_by_whoever_lives(now: datetime, one_check: dict[str, health.Said]) -> None:
    checking.tick(now=now)  # due again after thirty seconds
    assert checking.guard(now=now + 40 * SECOND) == 0
    one_check["now"] = health.failing("Redis does not answer.", "Start it.")

    assert checking.guard(now=now + 50 * SECOND) == 1
    assert checking.guard(now=now + 51 * SECOND) == 0

    assert CheckResult.objects.get().state == "failing"


def test_a_check_that_is_no_more_is_forgotten(now: datetime, one_check: dict[str, health.Said]) -> None:
    CheckResult.objects.create(name="aws.mars-1", label="AWS mars-1", group="AWS", state="ok", sentence="Fine.")

    checking.tick(now=now)

    assert list(CheckResult.objects.values_list("pk", flat=True)) == ["thing"]


def test_what_nobody_checks_any_more_is_stale_and_a_warning(now: datetime, one_check: dict[str, health.Said]) -> None:
    checking.tick(now=now)

    [known] = reading.checks(now=now + timedelta(minutes=10))

    assert known.stale
    assert reading.worst([known]) == HealthState.WARNING


def test_the_header_is_silent_while_all_is_well_and_names_the_worst(one_check: dict[str, health.Said]) -> None:
    now = timezone.now()
    checking.tick(now=now)
    assert reading.line() is None

    one_check["now"] = health.warning("Hm.", "Look.")
    checking.ask(now=now)
    checking.tick(now=now)
    line = reading.line()
    assert line is not None
    assert (line.state, line.sentence) == (HealthState.WARNING, "Thing")

    CheckResult.objects.update(checked_at=now - timedelta(minutes=5))
    line = reading.line()
    assert line is not None
    assert line.sentence == "Background work stands still"


def test_the_overview_is_plain_data(now: datetime) -> None:
    all_ticked(now)
    checking.tick(now=now)

    data = json.loads(json.dumps(cmlmanager.system.overview(now=now)))

    assert data["state"] == "failing"  # no Celery worker, no beat, no Redis in this test
    assert {job["name"] for job in data["jobs"]} == set(timetable.entries())
    assert {check["name"] for check in data["checks"]} == {check.name for check in health.checks()}
