"""The life of a lab in a browser against the sandbox: imported, started with its nodes booting in the open page, stopped, wiped, deleted,
and brought back on another worker, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.labs.operating import yaml_of
from tests.sandbox_process import Sandbox, running_sandbox

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
SLOW = 60_000
WORKER = "ccnp-encor-01"
OTHER = "ccnp-encor-02"
TITLE = "Browser <b>lab</b>"
AXE = {"runOnly": ["wcag2a", "wcag2aa", "best-practice"]}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "var", speed=4) as found:
        yield found


def is_accessible(page: Page, context: str | None = None) -> None:
    results = Axe().run(page, context=context, options=AXE)
    assert results.violations_count == 0, results.generate_report()


def newest(page: Page, words: str) -> None:
    """Until the newest operation on the lab's page says so."""
    expect(page.locator("#lab-operations li").first).to_contain_text(words, timeout=SLOW)


def text_of(page: Page, click: Callable[[], None]) -> bytes:
    """The file that a click saves."""
    with page.expect_download(timeout=SLOW) as download:
        click()
    return Path(download.value.path()).read_bytes()


def test_import_start_stop_wipe_delete_restore(open_as: Callable[..., Page], sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(yaml_of(title=TITLE, nodes=3))
    page = open_as("admin", f"/?q={WORKER}")
    service = page.locator("#fleet-rows tr", has_text=WORKER).locator("[data-part=service]")
    expect(service).to_contain_text("Ready", timeout=SLOW)

    page.goto(f"{sandbox.url}/labs/")
    page.locator("#labs-head").get_by_role("link", name="Import").click()
    is_accessible(page)
    page.get_by_label("Worker").select_option(label=page.locator("option", has_text=WORKER).inner_text())
    page.get_by_label("YAML file").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#operation-link")).to_contain_text(f"Open {TITLE}", timeout=SLOW)
    page.locator("#operation-link a").click()

    expect(page.locator("#lab-live h1")).to_have_text(TITLE)
    expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=20_000)
    lab = page.url

    # In a second page, the list: its row follows by itself.
    rows = page.context.new_page()
    rows.goto(f"{sandbox.url}/labs/?q=Browser")
    expect(rows.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=20_000)
    row = rows.locator("#labs-table tbody tr")
    expect(row.locator(".lab-start")).to_be_visible()
    row.locator("[data-select]").check()

    page.locator("#action-start button").click()
    expect(page.locator("#lab-operations")).to_contain_text("of 3 nodes booted", timeout=SLOW)
    expect(row.locator("[data-part=state]")).to_contain_text("Starting lab", timeout=SLOW)
    newest(page, "3 of 3 nodes booted")
    expect(page.locator("[data-part=fact-state]")).to_contain_text("Running")
    expect(page.locator("#action-start")).to_have_attribute("aria-disabled", "true", timeout=SLOW)
    expect(row.locator("[data-part=state]")).to_have_text("Running", timeout=SLOW)
    expect(row.locator("[data-part=nodes]")).to_have_text("3 / 3", timeout=SLOW)
    expect(row.locator(".lab-stop")).to_be_visible()
    expect(row.locator("[data-select]")).to_be_checked()
    is_accessible(rows)
    rows.close()

    page.locator("#action-stop summary").click()
    page.locator("#stop-reason").fill("class is over")
    page.get_by_role("button", name="Stop this lab").click()
    newest(page, "is stopped after")
    expect(page.locator("[data-part=fact-state]")).to_contain_text("Stopped")

    dialog = page.locator("#worker-dialog")
    page.locator("#action-more summary").click()
    page.locator("#action-wipe").click()
    expect(dialog.get_by_role("heading")).to_have_text(f"Wipe lab {TITLE}?")
    is_accessible(page, "#worker-dialog")
    dialog.get_by_role("button", name="Wipe lab").click()
    newest(page, "is wiped after")

    page.locator("#action-more summary").click()
    page.locator("#action-download button").click()
    page.wait_for_url("**/operations/**")
    with page.expect_download(timeout=SLOW) as download:
        page.locator("#operation-link a").click(timeout=SLOW)
    assert download.value.suggested_filename == "Browser-b-lab-b.yaml"
    assert f"title: {TITLE}" in Path(download.value.path()).read_text()

    page.goto(lab)
    page.locator("#action-more summary").click()
    page.locator("#action-delete").click()
    dialog.get_by_label(f"Type {TITLE} to confirm").fill(TITLE)
    dialog.get_by_role("button", name="Delete lab").click()
    newest(page, "is deleted after")
    expect(page.locator("#lab-live")).to_contain_text("This lab is gone.", timeout=SLOW)
    is_accessible(page)

    page.goto(f"{lab}versions/")
    version = page.locator(".versions-table tbody tr").first
    expect(version).to_contain_text("Before a deletion")
    is_accessible(page)
    version.get_by_role("link").first.click()
    saved = text_of(page, page.get_by_role("link", name="Download").click)
    assert f"title: {TITLE}".encode() in saved
    page.get_by_role("link", name="Restore").click()
    page.get_by_label("Worker").select_option(label=page.locator("option", has_text=OTHER).inner_text())
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("#operation-link")).to_contain_text(f"Open {TITLE}", timeout=SLOW)
    page.locator("#operation-link a").click()
    expect(page.locator("#lab-live")).to_contain_text(OTHER)
    page.locator("#action-more summary").click()
    page.locator("#action-download button").click()
    page.wait_for_url("**/operations/**")
    page.locator("#operation-link a").wait_for(timeout=SLOW)
    assert text_of(page, page.locator("#operation-link a").click) == saved


def test_a_lab_is_stopped_from_the_list_without_script(open_as: Callable[..., Page], sandbox: Sandbox) -> None:
    page = open_as("manager", f"/labs/?state=running&q={WORKER}", java_script_enabled=False)
    row = page.locator("#labs-table tbody tr").first
    title = row.locator("[data-row-link]").inner_text()

    row.locator(".lab-stop").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stop 1 lab?")
    page.get_by_role("button", name="Stop 1 lab").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Stop lab, 1 lab")
    expect(page.locator("#operations-rows")).to_contain_text(title)
