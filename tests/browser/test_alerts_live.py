"""From a CML that misbehaves to the bell in an open page, to a person who says that they know, to the alert's own end."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.sandbox_process import Sandbox, running_sandbox
from tests.simulated_cml import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
WORKER = "ccnp-encor-01"  # which has nothing wrong of its own
LOOK = 20_000  # milliseconds: two looks at CML, five seconds apart, and a busy machine


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "var", CML_INTERVAL="5") as found:
        yield found


def break_cml(sandbox: Sandbox, fault: str) -> None:
    """Let the worker's simulated CML have this fault from now on; "" mends it."""
    address = f"{sandbox.facts['cml_control_url']}/servers/{sandbox.instance_id(WORKER)}"
    request = urllib.request.Request(address, data=json.dumps({"fault": fault}).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def connected(page: Page) -> Page:
    expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=LOOK)
    return page


def bell(page: Page) -> Locator:
    return page.locator("#bell .bell-count")


def test_an_alert_comes_is_acknowledged_by_keyboard_and_goes_by_itself(sandbox: Sandbox, open_as: Callable[..., Page]) -> None:
    fleet, account, page = open_as("user"), open_as("user", "/account/"), open_as("manager", f"/?q={WORKER}")
    connected(page)
    row = connected(fleet).locator("#fleet-rows tr", has_text=WORKER)
    expect(row.locator(".badge", has_text="Registered")).to_be_visible(timeout=LOOK)
    expect(row.locator(".alert-mark")).to_have_count(0)

    # The demo fleet has alerts of its own, which come and go: bells are compared with each other, not with a number.
    break_cml(sandbox, "out_of_compliance")

    expect(row.locator(".alert-mark")).to_have_attribute("title", "1 open alert, critical", timeout=LOOK)
    eventually(lambda: bell(account).inner_text() == bell(fleet).inner_text())
    assert "critical" in fleet.locator("#bell [data-bell-text]").inner_text()

    page.locator("#bell").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts/")
    alert = connected(page).locator("#alerts-rows tr", has_text=WORKER)
    alert.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("licences are ordered")
    page.keyboard.press("Enter")
    expect(page.locator(".toast", has_text=f"Licence: {WORKER} is acknowledged.")).to_be_visible()
    expect(alert).to_have_count(0)
    page.wait_for_function(
        "document.querySelector('#bell .bell-count').textContent === document.querySelector('.tab-count').textContent"
    )
    eventually(lambda: bell(account).inner_text() == bell(page).inner_text())
    expect(row.locator(".alert-mark")).to_have_attribute("title", "1 open alert, critical, acknowledged", timeout=LOOK)

    page.get_by_role("link", name="Acknowledged").click()
    expect(alert).to_contain_text("licences are ordered")
    page.evaluate("window.stillTheSamePage = true")
    break_cml(sandbox, "")
    expect(alert).to_have_count(0, timeout=LOOK)
    expect(row.locator(".alert-mark")).to_have_count(0, timeout=LOOK)
    page.get_by_role("link", name="Closed").click()
    expect(alert.first).to_contain_text("The licence is registered.")
    assert page.evaluate("window.stillTheSamePage") is True


def test_several_are_acknowledged_by_keyboard_and_a_workers_page_hears_of_it(open_as: Callable[..., Page]) -> None:
    page = connected(open_as("manager", "/alerts/?q=emea"))
    names = page.locator("#alerts-rows td.subject a")
    expect(names.first).to_be_visible(timeout=LOOK)
    worker = connected(open_as("user", str(names.first.get_attribute("href"))))
    expect(worker.locator("#worker-alerts li")).to_have_attribute("data-acknowledged", "no")

    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#bulk-count")).to_have_text("1 selected")
    page.keyboard.press("b")
    page.keyboard.press("Enter")

    expect(page.locator(".toast", has_text="is acknowledged.")).to_be_visible()
    expect(worker.locator("#worker-alerts li")).to_have_attribute("data-acknowledged", "yes", timeout=LOOK)
    expect(worker.locator("#worker-alerts li")).to_contain_text("acknowledged by manager")


def test_enter_in_a_threshold_saves_it_and_a_reset_needs_its_button(open_as: Callable[..., Page]) -> None:
    page = open_as("admin", "/alerts/thresholds/")
    page.locator("#id_disk_warning").fill("40")
    page.keyboard.press("Enter")
    own = page.locator("tr", has_text="How much of the disk").locator("td").last
    expect(own).to_contain_text("own: 40 / 90 %")
    expect(own).to_contain_text("built in: 80 / 90 %")

    page.get_by_role("button", name="Reset Disk to the default").click()

    expect(own).to_have_text("built in: 80 / 90 %")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_the_pages_pass_axe_and_fit(scheme: str, width: int, open_as: Callable[..., Page]) -> None:
    page = open_as("admin", "/alerts/", width=width, color_scheme=scheme)
    expect(page.locator("#alerts-rows tr").first).to_be_visible(timeout=LOOK)
    host = page.url.removesuffix("/alerts/")
    alert = page.locator("#alerts-rows [data-row-link]").first.get_attribute("href")
    worker = page.locator("#alerts-rows td.subject a").first.get_attribute("href")
    for path in {"light": ("/alerts/", alert, worker), "dark": ("/alerts/", f"{worker}thresholds/")}[scheme]:
        page.goto(f"{host}{path}")
        results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
        assert results.violations_count == 0, f"{path}: {results.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
