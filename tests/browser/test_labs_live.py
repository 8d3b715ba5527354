"""What happens to a lab in CML, in open pages; and the labs pages in both schemes, at desk and phone width."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.sandbox_process import Sandbox, running_sandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
SOON = 30_000  # the sandbox's labs are read every ten seconds here


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "var", LABS_INTERVAL="10") as found:
        yield found


def change_cml(sandbox: Sandbox, worker: str, **body: Any) -> None:
    """Do something on the simulated CML server of this worker, behind the portal's back."""
    address = f"{sandbox.facts['cml_control_url']}/servers/{sandbox.instance_id(worker)}"
    request = urllib.request.Request(address, data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def row(page: Page, title: str):  # type: ignore[no-untyped-def]
    return page.locator("#labs-table tbody tr", has_text=title)


def open_lab(page: Page, query: str) -> None:
    """From the labs page to the first lab that is found."""
    page.goto(f"{page.url.split('/labs')[0]}/labs/?q={query}")
    page.locator("[data-row-link]").first.click()
    page.locator("#lab-topology").wait_for()


def test_a_lab_that_moves_comes_and_goes_in_cml_does_so_in_every_open_page(
    sandbox: Sandbox, open_as: Callable[..., Page]
) -> None:
    labs = open_as("user", "/labs/?q=ccna-evening")
    expect(row(labs, "CCNA: First switch")).to_contain_text("Running", timeout=SOON)
    pages = [labs]
    for click in ("#labs-table tbody tr:has-text('First switch') [data-row-link]", "#labs-table .at a"):
        page = open_as("user", "/labs/?q=ccna-evening")
        page.locator(click).first.click()
        pages.append(page)
    _, lab, worker = pages
    for page in pages:
        expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=SOON)
        page.evaluate("window.stillTheSamePage = true")
    panel = worker.locator("#worker-labs tr", has_text="First switch")
    expect(panel).to_contain_text("Running")
    expect(lab.locator('.topology-node[data-state="booted"]')).to_have_count(3)
    lab_id = lab.locator("[data-part=id] dd").inner_text()

    change_cml(
        sandbox,
        "ccna-evening",
        lab_states={lab_id: "STOPPED"},
        add_labs=[{"title": "Brand new", "owner": "kim", "nodes": 2, "running": False, "description": ""}],
    )

    expect(row(labs, "CCNA: First switch")).to_contain_text("Stopped", timeout=SOON)
    expect(row(labs, "Brand new")).to_be_visible()
    expect(panel).to_contain_text("Stopped")
    expect(lab.locator('.topology-node[data-state="stopped"]')).to_have_count(3)
    expect(lab.locator("#lab-nodes tbody tr").first).to_contain_text("Stopped")
    expect(lab.locator("#lab-history")).to_contain_text("Lab state")

    change_cml(sandbox, "ccna-evening", remove_labs=[lab_id])

    expect(row(labs, "CCNA: First switch")).to_have_count(0, timeout=SOON)
    expect(panel).to_have_count(0)
    expect(lab.locator("#lab-live")).to_contain_text("This lab is gone")
    assert all(page.evaluate("window.stillTheSamePage") for page in pages)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_the_pages_pass_axe_and_are_no_wider_than_the_screen(scheme: str, width: int, open_as: Callable[..., Page]) -> None:
    page = open_as("admin", "/labs/?group=worker&gone=1", width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if scheme == "dark":
        open_lab(page, "Mock exam")
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})

    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("width", [1440, 390])
def test_the_labels_of_a_large_lab_are_legible_and_the_whole_can_be_seen(width: int, open_as: Callable[..., Page]) -> None:
    page = open_as("user", "/labs/", width=width)
    open_lab(page, "Mock exam")
    frame, picture = page.locator("#topology-frame"), page.locator(".topology-picture")
    labels = page.locator(".topology-node text")

    assert labels.count() == 38
    boxes = labels.evaluate_all(
        "texts => texts.map(text => { const box = text.getBoundingClientRect(); return [box.x, box.y, box.right, box.bottom] })"
    )
    assert all(bottom - top >= 12 for _, top, _, bottom in boxes), "as large as the page's small text"
    for index, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert min(right, other[2]) <= max(left, other[0]) + 1 or min(bottom, other[3]) <= max(top, other[1]) + 1
    if width == 390:
        assert 0 < frame.evaluate("frame => frame.scrollLeft") < picture.bounding_box()["width"] - 300  # type: ignore[index]
    page.get_by_label("Whole").check()
    assert picture.bounding_box()["width"] <= frame.bounding_box()["width"] + 1  # type: ignore[index]


def test_the_pages_work_without_javascript(open_as: Callable[..., Page]) -> None:
    page = open_as("user", "/labs/", java_script_enabled=False)

    page.fill("#q", "netconf")
    page.press("#q", "Enter")
    expect(page.locator("#labs-table tbody tr")).to_have_count(1)
    page.locator("[data-row-link]").click()
    expect(page.locator("h1")).to_have_text("DevNet: NETCONF playground")
    page.locator(".facts a").click()
    page.locator("#worker-labs a").click()
    expect(page.locator("#worker-labs")).to_contain_text("NETCONF playground")
