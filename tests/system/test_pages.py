"""The pages as each person sees them, and what an administrator does there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from cmlmanager.system import checking, jobs, reading, runs, timetable
from cmlmanager.system.choices import JobState, RunState, Trigger
from cmlmanager.system.models import CheckResult, Job, JobRun
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.models import Event
from workers.services.operations.asking import Asker
from workers.services.record import SYSTEM

pytestmark = pytest.mark.django_db
HX = {"HX-Request": "true"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What was handed to Celery."""
    messages: list[tuple[str, dict[str, Any]]] = []
    for module in (jobs, checking):
        monkeypatch.setattr(module.current_app, "send_task", lambda name, **options: messages.append((name, options)))
    return messages


def page(person: User, path: str = "/system/", **headers: str) -> str:
    answer = signed_in(person).get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_whoever_sees_workers_sees_the_system_and_only_administrators_may_act(uma: User, miguel: User, ada: User) -> None:
    for person, acts in ((uma, False), (miguel, False), (ada, True)):
        html = page(person)
        assert "No Celery worker says that it lives" in html
        assert "Nightly backups" in html
        assert ("Check now" in html) is acts
        assert ("Run now" in html) is acts


def test_before_anything_was_checked_the_page_says_so(uma: User) -> None:
    html = page(uma)

    assert "Not checked yet." in html
    assert "Not run yet" in html


def test_a_finding_is_shown_with_state_latency_since_and_what_to_do(uma: User) -> None:
    now = timezone.now()
    CheckResult.objects.create(
        name="redis",
        label="Redis",
        group="Stores",
        state="warning",
        sentence="Redis has used 95% of its <memory>.",
        advice="Raise maxmemory.",
        latency_ms=12.4,
        facts={"Clients": "7 of 100"},
        checked_at=now,
        since=now - timedelta(days=2),
    )

    html = page(uma)

    for shown in ("Warning", "&lt;memory&gt;", "Raise maxmemory.", "12 ms", "Clients", "7 of 100"):
        assert shown in html


@pytest.mark.parametrize(
    ("part", "has", "has_not"), [("health", "system-checks", "jobs-rows"), ("jobs", "jobs-rows", "system-checks")]
)
def test_htmx_gets_the_part_that_it_reads_again(uma: User, part: str, has: str, has_not: str) -> None:
    html = page(uma, f"/system/?part={part}", **HX)

    assert has in html
    assert has_not not in html
    assert "<html" not in html


def test_the_page_costs_the_same_few_queries_whatever_there_is(ada: User) -> None:
    client = signed_in(ada)
    checking.tick(now=timezone.now())
    client.get("/system/")
    with CaptureQueriesContext(connection) as few:
        client.get("/system/")
    for number in range(30):
        make_worker()
        JobRun.objects.create(
            job_id="retention",
            trigger=Trigger.SCHEDULE,
            state=RunState.SUCCEEDED,
            asked_at=timezone.now() - timedelta(minutes=number),
            slot=timezone.now() - timedelta(minutes=number),
        )
    with CaptureQueriesContext(connection) as many:
        client.get("/system/")

    assert len(many) == len(few) <= 20


# ── Run now ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_run_now_hands_the_task_to_celery_and_is_in_the_audit(
    ada: User, sent: list[tuple[str, dict[str, Any]]], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = signed_in(ada).post("/system/jobs/retention/run/", follow=True)

    run = JobRun.objects.get()
    assert "Old usage is asked to run." in answer.content.decode()
    assert (run.state, run.asked_by, run.trigger) == (RunState.QUEUED, ada, Trigger.PERSON)
    [(task, options)] = sent
    assert (task, options["task_id"], options["headers"]) == ("workers.prune_samples", run.task_id, {"cmlmanager_run": run.pk})
    event = Event.objects.get(kind="job.run")
    assert (event.actor, event.after) == (ada, "Old usage")


def test_a_job_that_is_queued_already_is_not_queued_twice(ada: User, sent: list[tuple[str, dict[str, Any]]]) -> None:
    client = signed_in(ada)
    client.post("/system/jobs/retention/run/")

    answer = client.post("/system/jobs/retention/run/", {"from": "list"}, follow=True)

    assert "Old usage is queued already: wait for that run to end." in answer.content.decode()
    assert answer.redirect_chain == [("/system/", 302)]
    assert JobRun.objects.count() == 1


def test_while_redis_is_away_the_run_says_that_it_was_not_taken(ada: User, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        signed_in(ada).post("/system/jobs/retention/run/")

    run = JobRun.objects.get()
    assert run.state == RunState.FAILED
    assert run.error == "Redis did not take the order: nothing was run. Ask again when it is back."


# ── Pause and resume ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_pause_needs_a_reason(ada: User) -> None:
    answer = signed_in(ada).post("/system/jobs/alerts/pause/", {"reason": " "})

    assert answer.status_code == 422
    assert "Say why, for those who find the job paused." in answer.content.decode()
    assert not Job.objects.filter(paused_at__isnull=False).exists()


def test_a_pause_says_who_and_why_on_the_page_and_in_the_audit_and_so_does_its_end(ada: User, uma: User) -> None:
    client = signed_in(ada)
    client.post("/system/jobs/alerts/pause/", {"reason": "Exam week"})

    assert "ada: Exam week" in page(uma)
    assert "Paused by ada since" in page(uma, "/system/jobs/alerts/")
    paused = Event.objects.get(kind="job.paused")
    assert (paused.actor, paused.after, paused.detail) == (ada, "Alerts", "Exam week")
    assert "is paused already" in client.post("/system/jobs/alerts/pause/", {"reason": "Again"}, follow=True).content.decode()

    client.post("/system/jobs/alerts/resume/")

    assert Job.objects.get(pk="alerts").paused_at is None
    resumed = Event.objects.get(kind="job.resumed")
    assert "Exam week" in resumed.detail
    assert "is not paused" in client.post("/system/jobs/alerts/resume/", follow=True).content.decode()


def test_a_job_that_rested_for_hours_is_not_late_when_it_is_resumed() -> None:
    now = timezone.now()
    runs.know(timetable.entries(), now=now - timedelta(days=1))
    by = Asker(actor=SYSTEM)
    jobs.pause(name="alerts", reason="Exam", by=by, now=now - timedelta(hours=5))
    jobs.resume(name="alerts", by=by, now=now)

    found = jobs.job("alerts", now=now)

    assert found is not None
    assert found.state == JobState.NEW


def test_a_refresh_of_a_worker_is_refused_while_cml_is_not_read_and_says_who_paused_it(ada: User, uma: User) -> None:
    worker = make_worker(cml_due_at=timezone.now() + timedelta(hours=1))
    signed_in(ada).post("/system/jobs/cml/pause/", {"reason": "CML is being moved."})

    answer = signed_in(uma).post(f"/workers/{worker.pk}/refresh/", follow=True)

    assert f"{worker} was not refreshed: reading CML servers is paused by ada: CML is being moved." in answer.content.decode()


# ── A job's page, a run's page ───────────────────────────────────────────────────────────────────────────────────────


def test_a_jobs_runs_are_paged_newest_first(uma: User) -> None:
    now = timezone.now()
    runs.know(timetable.entries(), now=now)
    for number in range(120):
        JobRun.objects.create(job_id="cml", trigger=Trigger.SCHEDULE, state="succeeded", asked_at=now, result=f"{number} done")

    first, last = page(uma, "/system/jobs/cml/"), page(uma, "/system/jobs/cml/?page=3")

    assert "1–50 of 120 kept runs" in first
    assert "119 done" in first
    assert "101–120 of 120 kept runs" in last
    assert "only those runs are kept that did something" in first
    assert "No run is kept yet" in page(uma, "/system/jobs/rollup/")


def test_a_run_shows_its_lines_escaped(uma: User) -> None:
    now = timezone.now()
    runs.know(timetable.entries(), now=now)
    run = JobRun.objects.create(
        job_id="cml",
        trigger=Trigger.PERSON,
        asked_name="ada",
        state="failed",
        asked_at=now,
        started_at=now,
        ended_at=now,
        took_ms=1234,
        error="ValueError: no",
        lines=[[now.isoformat(), "ERROR", "workers.services", "<script>alert(1)</script>"]],
        lines_left_out=3,
    )

    html = page(uma, f"/system/runs/{run.pk}/")

    assert reading.run_data(run, lines=True)["lines"][0]["level"] == "ERROR"
    for shown in ("ValueError: no", "&lt;script&gt;", "1.2 s", "3 more lines not kept", "Run now, ada"):
        assert shown in html


# ── The header ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_header_tells_administrators_of_trouble_and_nobody_else(ada: User, miguel: User) -> None:
    assert "system-line" in page(ada, "/")
    assert "System: " not in page(ada, "/")
    CheckResult.objects.create(
        name="redis", label="Redis", group="Stores", state="failing", sentence="Away.", checked_at=timezone.now()
    )

    assert "System: Redis" in page(ada, "/")
    assert "System: Redis" in page(ada, "/system/line/")
    assert "System: Redis" not in page(miguel, "/")
    assert page(miguel, "/system/line/").strip() == ""


def test_check_now_makes_everything_due_and_is_in_the_audit(
    ada: User, sent: list[tuple[str, dict[str, Any]]], django_capture_on_commit_callbacks: Any
) -> None:
    checking.tick(now=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        signed_in(ada).post("/system/check/")

    assert not CheckResult.objects.filter(due_at__isnull=False).exists()
    assert [task for task, _ in sent] == ["system.check"]
    assert Event.objects.filter(kind="system.check", actor=ada).exists()
