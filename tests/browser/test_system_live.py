"""The system page in a browser: it changes by itself, and what an administrator does there is done."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.browser
OpenAs = Callable[..., Page]


def deny(sandbox: Sandbox, *operations: str) -> None:
    sandbox.control_aws("rights", {"denied": list(operations)})


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_everything_is_well_and_the_figures_come_by_themselves(open_as: OpenAs) -> None:
    page = open_as("user", "/system/")

    expect(page.locator("#check-workers")).to_contain_text("1 Celery worker at work.", timeout=60_000)
    expect(page.locator("#check-beat")).to_contain_text("Beat ticks.", timeout=60_000)
    expect(page.locator("#check-database")).to_contain_text("Well", timeout=30_000)
    expect(page.locator("#system-figures [data-part=streams] dd")).not_to_have_text("0", timeout=40_000)
    expect(page.get_by_role("button", name="Check now")).to_have_count(0)


def test_run_now_is_done_and_every_open_page_sees_the_run(open_as: OpenAs) -> None:
    watcher = open_as("user", "/system/jobs/retention/")
    admin = open_as("admin", "/system/")
    admin.locator("#job-retention").get_by_role("button", name="Run now").click()
    expect(admin.locator("#messages")).to_contain_text("Old usage is asked to run.")

    run = watcher.locator("#runs-rows tr", has_text="Run now")
    expect(run).to_contain_text("Succeeded", timeout=20_000)
    run.get_by_role("link").click()
    expect(watcher.get_by_role("heading", name="Old usage")).to_be_visible()
    expect(watcher.locator("#system-run")).to_contain_text("Run now, admin")


def test_a_paused_job_rests_and_everybody_sees_why(open_as: OpenAs) -> None:
    watcher = open_as("user", "/system/")
    admin = open_as("admin", "/system/jobs/labs/")
    admin.get_by_label("Why").fill("Exam in progress")
    admin.get_by_role("button", name="Pause Labs").click()

    row = watcher.locator("#job-labs")
    expect(row).to_contain_text("Paused", timeout=10_000)
    expect(row).to_contain_text("Exam in progress")
    expect(admin.locator("#system-job [data-part=skipped] dd")).not_to_contain_text("0 (", timeout=45_000)

    admin.get_by_role("button", name="Resume").click()
    expect(row).not_to_contain_text("Paused", timeout=10_000)


def test_a_right_that_is_taken_away_is_found_by_check_now(open_as: OpenAs, sandbox: Sandbox) -> None:
    watcher = open_as("manager", "/system/")
    admin = open_as("admin", "/system/")
    row = watcher.locator("#check-awsus-east-1")
    expect(row).to_contain_text("Well", timeout=30_000)
    deny(sandbox, "TerminateInstances")
    try:
        admin.get_by_role("button", name="Check now").click()

        expect(row).to_contain_text("The portal may not: ec2:TerminateInstances.", timeout=30_000)
        expect(row).to_contain_text("Warning")
        admin.reload()
        expect(admin.locator("#system-line")).to_contain_text("System: AWS us-east-1")
    finally:
        deny(sandbox)


def test_the_pages_have_no_accessibility_problem(open_as: OpenAs, sandbox: Sandbox) -> None:
    for scheme in ("light", "dark"):
        page = open_as("admin", "/system/", color_scheme=scheme)
        for path in ("system/", "system/jobs/cml/"):
            page.goto(f"{sandbox.url}/{path}")
            expect(page.locator(".changed")).to_have_count(0)  # colours on their way are none that stay
            results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
            assert results.response["violations"] == [], results.generate_report()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_beat_that_stops_is_told_by_the_page(open_as: OpenAs, sandbox: Sandbox) -> None:
    page = open_as("user", "/system/")
    expect(page.locator("#check-beat")).to_contain_text("Beat ticks.", timeout=60_000)
    with frozen(sandbox.facts["pids"]["beat"]):
        expect(page.locator("#check-beat")).to_contain_text("No beat says that it lives", timeout=110_000)
    expect(page.locator("#check-beat")).to_contain_text("Beat ticks.", timeout=60_000)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_redis_that_stops_is_told_by_the_page_though_no_job_comes_through(open_as: OpenAs, sandbox: Sandbox) -> None:
    page = open_as("user", "/system/")
    expect(page.locator("#check-redis")).to_contain_text("Well", timeout=60_000)
    with frozen(sandbox.facts["pids"]["redis"]):
        expect(page.locator("#check-redis")).to_contain_text("Redis does not answer at 127.0.0.1", timeout=110_000)
    expect(page.locator("#check-redis")).to_contain_text("Well", timeout=110_000)
