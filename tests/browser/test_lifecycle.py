"""Stopping, starting, terminating and stopping many, in an open browser against the sandbox."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
SLOW = 60_000


def row(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator("#fleet tbody tr", has_text=name)


def open_worker(page: Page, name: str) -> None:
    row(page, name).locator("a[data-row-link]").click()
    expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=20_000)


def test_a_manager_stops_and_starts_a_worker_and_watches_it(open_as: Callable[..., Page]) -> None:
    page = open_as("manager")
    open_worker(page, "ccna-evening")
    machine = page.locator("[data-part=fact-machine]")
    going_on = page.locator("p.in-flight")

    page.locator("#action-stop summary").click()
    page.fill("#stop-reason", "class is over")
    page.get_by_role("button", name="Stop ccna-evening").click()

    expect(page.locator(".toast")).to_contain_text("Stopping ccna-evening.")
    expect(going_on).to_contain_text("Stopping, asked by manager")
    page.reload()
    expect(going_on.or_(machine.get_by_text("Stopped"))).to_be_visible()
    expect(machine).to_contain_text("Stopped", timeout=SLOW)
    expect(going_on).to_have_count(0, timeout=SLOW)
    expect(page.locator("#worker-timeline")).to_contain_text("class is over")
    expect(page.locator("button#action-stop")).to_have_attribute("aria-disabled", "true")

    page.get_by_role("button", name="Start", exact=True).click()

    expect(going_on).to_contain_text("Starting, asked by manager")
    expect(machine).to_contain_text("Running", timeout=SLOW)


def test_an_admin_terminates_by_typing_the_name(open_as: Callable[..., Page]) -> None:
    page = open_as("admin")
    name = row(page, "Stopped").first.locator("a[data-row-link]").inner_text()
    open_worker(page, name)
    page.locator("#action-more summary").click()
    page.get_by_role("link", name="Terminate…").click()
    dialog = page.locator("#worker-dialog")
    expect(dialog).to_contain_text(f"Terminate {name}?")

    dialog.locator("input[name=name]").fill(name)
    dialog.get_by_role("button", name="Terminate").click()

    expect(dialog).to_be_hidden()
    expect(page.locator("[data-part=fact-machine]")).to_contain_text("Terminated", timeout=SLOW)


def test_several_are_stopped_by_keyboard(open_as: Callable[..., Page]) -> None:
    page = open_as("manager", "/?state=running")
    expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=20_000)
    expect(page.locator("#bulk")).to_be_hidden()
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator("#bulk-count")).to_have_text("2 selected")
    boxes = page.locator("#fleet-rows [data-select]:checked")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live:reread', { bubbles: true }))")
    page.wait_for_timeout(0)
    expect(boxes).to_have_count(2)

    page.keyboard.press("b")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Stop 2 workers?")
    page.locator("#bulk-reason").focus()
    page.keyboard.press("Enter")

    page.wait_for_url("**/operations/batches/**")
    expect(page.locator("#operations-rows tr")).to_have_count(2)
    expect(page.locator("#batch-succeeded .batch-count")).to_have_text("2", timeout=SLOW)
    expect(page.locator("#operations-rows")).to_contain_text("is stopped after")


@pytest.mark.parametrize("width", [1440, 390])
def test_the_new_pages_pass_axe(width: int, open_as: Callable[..., Page]) -> None:
    page = open_as("admin", width=width)
    address = row(page, "sp-core-research").locator("a").first.get_attribute("href")
    host = page.url.removesuffix("/")
    for path in (address, f"{address}terminate/", f"{address}tags/", f"{address}delete/"):
        page.goto(f"{host}{path}")
        results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
        assert results.violations_count == 0, f"{path}: {results.generate_report()}"


def test_many_are_stopped_without_javascript(open_as: Callable[..., Page]) -> None:
    page = open_as("manager", "/?q=sp-core", java_script_enabled=False)

    page.locator("#fleet-rows [name=ids]").first.check()
    page.get_by_role("button", name="Tag").click()

    expect(page.locator("h1")).to_contain_text("Change tags of 1 worker?")
    page.locator("#tag-0-key").fill("term")
    page.locator("#tag-0-value").fill("autumn")
    page.get_by_role("button", name="Change tags of 1 worker").click()
    expect(page.locator("#operations-rows tr")).to_have_count(1)
