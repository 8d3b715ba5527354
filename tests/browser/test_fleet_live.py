"""From EC2's answer to a row that changes in an open browser."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.sandbox_process import Sandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
POLL = 5  # seconds, the sandbox's STATE_INTERVAL


def row(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator("#fleet tbody tr", has_text=name)


def test_a_machine_stopped_behind_the_portals_back_changes_in_an_open_page(
    sandbox: Sandbox, open_as: Callable[..., Page]
) -> None:
    page = open_as("user")
    expect(row(page, "ccna-evening")).to_contain_text("Running")
    expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=20_000)
    page.evaluate("window.stillTheSamePage = true")
    instance_id = sandbox.instance_id("ccna-evening")

    sandbox.ec2().stop_instances(InstanceIds=[instance_id])
    start = time.monotonic()
    expect(row(page, "ccna-evening")).to_contain_text("Stopping", timeout=(POLL + 1) * 1000)
    took = time.monotonic() - start

    expect(row(page, "ccna-evening")).to_contain_text("Stopped", timeout=20_000)
    assert page.evaluate("window.stillTheSamePage") is True
    assert took <= POLL + 1
    print(f"stop_instances → row: {took:.2f} s")


def test_the_tiles_count_along(sandbox: Sandbox, open_as: Callable[..., Page]) -> None:
    page = open_as("user")
    stopped = page.locator("#count-stopped")
    expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=20_000)
    before = int(stopped.inner_text())

    sandbox.ec2("us-west-2").stop_instances(InstanceIds=[sandbox.instance_id("ccie-bootcamp-a", "us-west-2")])

    expect(stopped).to_have_text(str(before + 1), timeout=25_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_pages_pass_axe(scheme: str, width: int, open_as: Callable[..., Page]) -> None:
    page = open_as("admin", width=width, color_scheme=scheme)
    worker = row(page, "sp-core-research").locator("a").first.get_attribute("href")
    assert worker
    for path in ("/", "/?q=nothing-matches-this", worker, f"{worker}connection/", "/account/"):
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + path)
        results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
        assert results.violations_count == 0, f"{path}: {results.generate_report()}"


def test_search_filters_while_typing_and_keeps_the_focus_and_the_address(open_as: Callable[..., Page]) -> None:
    page = open_as("user")

    page.keyboard.press("/")
    page.keyboard.type("encor")

    expect(page.locator("#fleet tbody tr")).to_have_count(2)
    expect(page.locator("#q")).to_be_focused()
    page.wait_for_url("**/?q=encor*")
    page.reload()
    expect(page.locator("#fleet tbody tr")).to_have_count(2)
    page.go_back()
    expect(page.locator("#fleet tbody tr").nth(5)).to_be_visible()


def test_everything_works_without_javascript(open_as: Callable[..., Page]) -> None:
    page = open_as("user", java_script_enabled=False)

    page.fill("#q", "encor")
    page.press("#q", "Enter")
    expect(page.locator("#fleet tbody tr")).to_have_count(2)
    page.locator("#fleet thead a", has_text="Worker").click()
    expect(page.locator("#fleet tbody tr").first).to_contain_text("ccnp-encor-01")
    page.locator("#fleet tbody a").first.click()
    expect(page.locator("h1")).to_have_text("ccnp-encor-01")
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#messages")).to_contain_text("ccnp-encor-01")


def test_a_refresh_on_demand_answers_in_the_page(open_as: Callable[..., Page]) -> None:
    page = open_as("user", "/?q=ccnp-enarsi-01")
    page.locator("#fleet tbody a").first.click()

    page.get_by_role("button", name="Refresh").click()

    expect(page.locator("#refresh-result")).to_contain_text("not running")


def test_no_page_is_wider_than_a_phone(open_as: Callable[..., Page]) -> None:
    page = open_as("admin", width=390, height=844)
    for path in ("/", "/account/"):
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(page.url.removesuffix("account/"))
    page.locator("#fleet tbody a").first.click()
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
