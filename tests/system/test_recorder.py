"""Runs of jobs: kept or counted, once for each due time, skipped while paused, with their lines and without secrets."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmlmanager.celery import app
from cmlmanager.system import pauses, recorder, runs, tally, timetable, upkeep
from cmlmanager.system.choices import RunState, Trigger
from cmlmanager.system.models import Job, JobRun

pytestmark = pytest.mark.django_db
DUE = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
ONCE, TICK = "retention", "operations"  # due once an hour; ticking every second


def message(job: str = "", *, at: datetime = DUE, task_id: str = "task-1", run: int | None = None) -> Any:
    """What Celery hands over as the task's request."""
    headers: dict[str, Any] = {recorder.SENT_HEADER: at.timestamp()}
    if job:
        headers[recorder.JOB_HEADER] = job
    if run is not None:
        headers[recorder.RUN_HEADER] = run
    return SimpleNamespace(id=task_id, hostname="celery@here", **headers)


def carry_out(job: str, work: Any = lambda: 3, **more: Any) -> Any:
    return recorder.carry_out(timetable.entries()[job], message(job, **more), work)


def fails() -> None:
    raise ValueError("no such thing")


# ── Once for each due time ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_kept_with_its_due_time_its_result_and_its_lines() -> None:
    def work() -> int:
        logging.getLogger("workers.somewhere").info("Deleted %d rows", 12)
        return 12

    assert carry_out(ONCE, work, at=DUE + timedelta(seconds=90)) == 12

    run = JobRun.objects.get()
    assert (run.slot, run.state, run.trigger, run.result) == (DUE, RunState.SUCCEEDED, Trigger.SCHEDULE, "12 done")
    assert [line[1:] for line in run.lines] == [["INFO", "workers.somewhere", "Deleted 12 rows"]]
    job = Job.objects.get(pk=ONCE)
    assert (job.runs, job.failures, job.result) == (1, 0, "12 done")
    assert job.ended_at is not None


def test_two_beats_have_one_run_for_each_due_time() -> None:
    done: list[str] = []
    for number, seconds in enumerate((1, 20, 3601, 3630)):
        carry_out(
            ONCE, lambda number=number: done.append(str(number)), at=DUE + timedelta(seconds=seconds), task_id=f"t{number}"
        )

    assert done == ["0", "2"]
    assert list(JobRun.objects.order_by("id").values_list("slot", flat=True)) == [DUE, DUE + timedelta(hours=1)]
    tally.flush()
    assert Job.objects.get(pk=ONCE).skipped == 2


def test_a_tick_of_an_earlier_due_time_that_comes_late_does_nothing() -> None:
    carry_out(ONCE, at=DUE + timedelta(hours=1))
    carry_out(ONCE, at=DUE, task_id="late")

    assert JobRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_ten_ticks_at_once_one_works() -> None:
    runs.know(timetable.entries(), now=DUE)
    done: list[int] = []
    ready = threading.Barrier(10)

    def tick(number: int) -> None:
        ready.wait()
        try:
            carry_out(ONCE, lambda: done.append(number), task_id=f"t{number}")
        finally:
            connection.close()

    threads = [threading.Thread(target=tick, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(done) == 1
    assert JobRun.objects.count() == 1


def test_the_same_message_once_more_goes_on_where_its_first_process_died() -> None:
    entry = timetable.entries()[ONCE]
    runs.begin(entry, recorder.order_of(message(ONCE)), now=DUE)

    assert carry_out(ONCE, lambda: 5) == 5
    assert JobRun.objects.get().result == "5 done"


# ── Failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_failure_is_kept_and_raised_and_the_next_success_ends_it() -> None:
    with pytest.raises(ValueError, match="no such thing"):
        carry_out(ONCE, fails)
    job = Job.objects.get(pk=ONCE)
    assert (job.error, job.failures) == ("ValueError: no such thing", 1)
    assert job.failing_since is not None
    assert JobRun.objects.get().lines[-1][3] == "ValueError: no such thing"

    carry_out(ONCE, at=DUE + timedelta(hours=1))

    job.refresh_from_db()
    assert (job.failing_since, job.error) == (None, "")


def test_a_tick_that_fails_is_kept_and_written_at_once_and_again_when_it_is_well() -> None:
    carry_out(TICK, lambda: 0)
    for _ in range(5):
        with pytest.raises(ValueError, match="no such thing"):
            carry_out(TICK, fails)
    job = Job.objects.get(pk=TICK)
    assert job.failing_since is not None
    assert JobRun.objects.filter(state=RunState.FAILED).count() == 2, "the turn, and one for the next half minute"

    carry_out(TICK, lambda: 0)

    job.refresh_from_db()
    assert job.failing_since is None
    assert (job.runs, job.failures) == (7, 5)


def test_secrets_are_not_kept(settings: Any) -> None:
    def work() -> None:
        logging.getLogger("x").warning("asked with %s and %s", settings.CML_PASSWORD, "AKIAIOSFODNN7EXAMPLE")
        raise ValueError(f"postgres://portal:hunter2hunter2@db/portal refused {settings.SECRET_KEY}")

    with pytest.raises(ValueError, match="refused"):
        carry_out(ONCE, work)

    run = JobRun.objects.get()
    kept = f"{run.lines}{run.error}{Job.objects.get(pk=ONCE).error}"
    for secret in (settings.CML_PASSWORD, settings.SECRET_KEY, "AKIAIOSFODNN7EXAMPLE", "hunter2"):
        assert secret not in kept
    assert kept.count("[secret]") >= 4


def test_a_run_that_logs_without_end_keeps_the_beginning_and_counts_the_rest() -> None:
    def work() -> None:
        for number in range(1_000):
            logging.getLogger("x").info("line %d %s", number, "long " * 500)

    carry_out(ONCE, work)

    run = JobRun.objects.get()
    assert (len(run.lines), run.lines_left_out) == (200, 800)
    assert max(len(line[3]) for line in run.lines) <= 400


def test_lines_of_a_services_threads_are_kept_too() -> None:
    def work() -> None:
        thread = threading.Thread(target=lambda: logging.getLogger("x").info("from a thread"))
        thread.start()
        thread.join()

    carry_out(ONCE, work)

    assert JobRun.objects.get().lines[0][3] == "from a thread"


# ── Ticks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tick_that_finds_nothing_to_do_writes_nothing_until_ten_seconds_are_over() -> None:
    carry_out(TICK, lambda: 0)  # the first flush
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for _ in range(100):
            carry_out(TICK, lambda: 0)

    assert len(queries) <= 1, "which jobs are paused may be read again"
    tally.flush()
    job = Job.objects.get(pk=TICK)
    assert (job.runs, job.result) == (101, "Nothing to do")
    assert not JobRun.objects.exists()


def test_a_tick_that_did_something_is_kept_at_most_once_in_half_a_minute() -> None:
    for _ in range(50):
        carry_out(TICK, lambda: 4)

    run = JobRun.objects.get()
    assert (run.result, run.slot) == ("4 done", None)


def test_a_slow_tick_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable.Entry, "slow_ms", 0.0)

    carry_out(TICK, lambda: 0)

    assert JobRun.objects.get().result == "Nothing to do"


def test_while_the_database_does_not_take_the_figures_the_work_is_done_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django.db import OperationalError

    def locked(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as broken:
        broken.setattr(tally, "_write", locked)
        assert carry_out(TICK, lambda: 0) == 0
    tally.flush()

    assert Job.objects.get(pk=TICK).runs == 1


# ── Pauses ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def paused(job: str) -> None:
    runs.know(timetable.entries(), now=DUE)
    Job.objects.filter(pk=job).update(paused_at=DUE, pause_reason="Maintenance")
    pauses.forget()


@pytest.mark.parametrize("job", [ONCE, TICK])
def test_a_paused_job_does_no_work_whoever_asks(job: str) -> None:
    paused(job)
    done: list[int] = []
    carry_out(job, lambda: done.append(1))
    recorder.carry_out(timetable.entries()[job], message(), lambda: done.append(2))  # a service asked between two due times

    assert done == []
    assert not JobRun.objects.exists()
    tally.flush()
    assert Job.objects.get(pk=job).skipped == 2


def test_what_a_service_asks_for_in_between_is_counted_and_makes_no_late_job_punctual() -> None:
    runs.know(timetable.entries(), now=DUE)

    recorder.carry_out(timetable.entries()["alerts"], message(), lambda: 2)
    tally.flush()

    job = Job.objects.get(pk="alerts")
    assert (job.runs, job.ticked_at) == (1, None)
    assert JobRun.objects.get().trigger == Trigger.PORTAL


def test_a_pause_costs_a_query_in_two_seconds_and_not_one_a_tick() -> None:
    paused(TICK)
    tally.flush()
    carry_out(TICK)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(50):
            carry_out(TICK)

    assert len(queries) == 0


def test_what_a_person_asked_for_runs_though_the_job_is_paused() -> None:
    paused(ONCE)
    run = JobRun.objects.create(job_id=ONCE, trigger=Trigger.PERSON, task_id="mine", state=RunState.QUEUED, asked_at=DUE)

    assert carry_out(ONCE, lambda: 8, task_id="mine", run=run.pk) == 8

    run.refresh_from_db()
    assert (run.state, run.result, run.process) == (RunState.SUCCEEDED, "8 done", "celery@here")


def test_an_order_that_is_void_does_nothing() -> None:
    runs.know(timetable.entries(), now=DUE)
    run = JobRun.objects.create(job_id=ONCE, trigger=Trigger.PERSON, task_id="mine", state=RunState.LOST, asked_at=DUE)

    assert carry_out(ONCE, lambda: 8, task_id="mine", run=run.pk) is None


# ── Lost and old runs ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_whose_process_died_is_lost_after_its_time_limit() -> None:
    entry = timetable.entries()[ONCE]
    runs.begin(entry, recorder.order_of(message(ONCE)), now=DUE)
    assert runs.find_lost(now=DUE + timedelta(seconds=entry.limit)) == 0

    assert runs.find_lost(now=DUE + timedelta(seconds=entry.limit + 61)) == 1

    assert JobRun.objects.get().error == "The process that ran it is gone."
    assert Job.objects.get(pk=ONCE).failing_since == DUE


def test_an_order_that_nobody_took_is_lost() -> None:
    runs.know(timetable.entries(), now=DUE)
    JobRun.objects.create(job_id=ONCE, trigger=Trigger.PERSON, task_id="mine", state=RunState.QUEUED, asked_at=DUE)

    runs.find_lost(now=DUE + timedelta(seconds=301))

    assert JobRun.objects.get().error == "No Celery worker took it within five minutes."


def test_old_runs_go_and_of_each_job_the_newest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "MOST", 3)
    runs.know(timetable.entries(), now=DUE)
    for job, days in (("rollup", 400), ("rollup", 1), *[("retention", 0)] * 5):
        JobRun.objects.create(
            job_id=job, trigger=Trigger.SCHEDULE, state=RunState.SUCCEEDED, asked_at=DUE - timedelta(days=days)
        )

    assert upkeep.prune(now=DUE) == 3
    assert JobRun.objects.filter(job="retention").count() == 3
    assert JobRun.objects.filter(job="rollup").count() == 1


# ── The timetable ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_job_is_a_task_that_exists_with_words_for_people() -> None:
    app.loader.import_default_modules()
    for entry in timetable.entries().values():
        assert entry.task in app.tasks
        assert entry.does.endswith(".")
        assert entry.limit > 0


def test_two_jobs_never_share_a_task() -> None:
    tasks = [entry.task for entry in timetable.entries().values()]
    assert len(set(tasks)) == len(tasks)


def test_what_beat_sends_says_which_job_it_is_for() -> None:
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        assert entry["options"]["headers"] == {recorder.JOB_HEADER: name}


def test_a_task_that_is_called_directly_is_no_run() -> None:
    app.loader.import_default_modules()
    app.tasks["system.prune_runs"]()

    assert not JobRun.objects.exists()
