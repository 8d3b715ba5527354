"""A worker from a name pattern to ready, and instances that become workers, in an open page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.sandbox_process import Sandbox, running_sandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "var", speed=4, STATE_INTERVAL="2", CML_INTERVAL="5") as found:
        yield found


def passes_axe(page: Page) -> None:
    results = Axe().run(page, options={"runOnly": RULES})
    assert results.violations_count == 0, f"{page.url}: {results.generate_report()}"


def test_a_worker_is_created_from_a_pattern_and_its_gates_go_by(sandbox: Sandbox, open_as: Callable[..., Page]) -> None:
    page = open_as("admin")
    page.get_by_role("link", name="New worker").click()
    page.get_by_role("link", name="Course on bare metal").click()
    passes_axe(page)
    page.get_by_label("Name").fill("browser-made")
    page.get_by_role("button", name="Look up the image").click()

    create = page.get_by_role("button", name="Create browser-made")
    expect(create).to_be_visible(timeout=20_000)
    expect(page.get_by_role("radio").first).to_be_checked()
    expect(page.locator("#look")).to_contain_text("128 GiB")
    passes_axe(page)
    confirmation = page.url
    create.click()

    page.wait_for_url(f"{sandbox.url}/workers/*/")
    expect(page.locator("h1")).to_have_text("browser-made")
    page.evaluate("window.stillTheSamePage = true")
    for gate in ("launch", "running", "checks"):
        done = page.locator(f"[data-part=gate-{gate}][data-state=open]")
        expect(done).to_contain_text("after", timeout=60_000)
    expect(page.locator("[data-part=gate-cml][data-state=open]")).to_be_visible(timeout=90_000)
    # What was asked of EC2 leaves with the operation; the worker's own gates stay.
    expect(page.locator("[data-part=gate-launch]")).to_have_count(0, timeout=20_000)
    expect(page.locator("[data-part=fact-service]")).to_contain_text("Ready")
    assert page.evaluate("window.stillTheSamePage") is True

    worker = page.url
    page.goto(confirmation)
    expect(page.get_by_role("button", name="Create")).to_have_count(0)
    page.get_by_role("link", name="Go to it").click()
    page.wait_for_url(worker)


def test_the_two_that_wait_to_be_imported_are_found_and_imported(sandbox: Sandbox, open_as: Callable[..., Page]) -> None:
    page = open_as("admin", "/workers/import/", width=390, height=844)
    passes_axe(page)
    page.get_by_label("Region").select_option("eu-central-1")
    page.get_by_label("AMI name pattern").check()
    page.get_by_label("Which").fill("cisco-cml*-golden")
    page.get_by_role("button", name="Look in EC2").click()

    expect(page.get_by_text("Will be imported")).to_have_count(2, timeout=20_000)
    passes_axe(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.get_by_role("button", name="Import selected")).to_be_visible()
    page.get_by_role("checkbox", name="import-me-1").uncheck()
    page.get_by_role("button", name="Import selected").click()
    page.wait_for_url(f"{sandbox.url}/workers/*/")
    expect(page.locator("h1")).to_have_text("import-me-2")

    page.go_back()
    page.reload()
    expect(page.locator(".found tr", has_text="import-me-2")).to_contain_text("Already a worker")
    page.get_by_role("button", name="Import selected").click()
    page.wait_for_url(f"{sandbox.url}/workers/*/")
    expect(page.locator("h1")).to_have_text("import-me-1")
    # EC2 knows more than the look did: the refresh fills it in, live.
    expect(page.locator("[data-part=network]")).to_contain_text("https://", timeout=20_000)


def test_a_stray_is_offered_on_the_fleet_page_and_adopted(open_as: Callable[..., Page]) -> None:
    page = open_as("admin")
    page.locator("#strays a").click()
    page.get_by_role("button", name="Adopt forgotten-by-a-script").click()

    expect(page.locator("h1")).to_have_text("forgotten-by-a-script")
    page.get_by_role("link", name="Fleet").first.click()
    expect(page.locator("#strays")).to_have_count(0)


def test_both_work_without_javascript(open_as: Callable[..., Page]) -> None:
    page = open_as("admin", "/workers/new/?template=2", java_script_enabled=False)
    page.get_by_label("Name").fill("plain-html")
    page.get_by_role("button", name="Look up the image").click()
    create = page.get_by_role("button", name="Create plain-html")
    for _ in range(20):
        if create.is_visible():
            break
        page.get_by_role("link", name="Read again").click()
    create.click()
    expect(page.locator("h1")).to_have_text("plain-html")
