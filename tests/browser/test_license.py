"""A licence registered with its progress in the open page, and given back with a doubt, in a browser against the sandbox."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.sandbox_process import Sandbox, running_sandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
SLOW = 60_000
NAME = "tac-repro"  # unlicensed in the demo fleet


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "var", speed=4) as found:
        yield found


def answer_with(sandbox: Sandbox, name: str, **manner: str) -> None:
    """How the simulated CML of a demo worker treats licence requests."""
    control = sandbox.facts["cml_control_url"]
    servers = json.loads(urllib.request.urlopen(f"{control}/servers", timeout=10).read())
    instance_id = next(server["instance_id"] for server in servers if server["demo"] == name)
    body = json.dumps({"licensing": manner}).encode()
    request = urllib.request.Request(f"{control}/servers/{instance_id}", data=body, method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def test_register_with_progress_then_deregister_with_202(open_as: Callable[..., Page], sandbox: Sandbox) -> None:
    page = open_as("admin", f"/?q={NAME}")
    row = page.locator("#fleet-rows tr", has_text=NAME)
    expect(row.locator("[data-part=license]")).to_contain_text("Unregistered", timeout=SLOW)
    row.locator("a[data-row-link]").click()
    expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=20_000)
    dialog, going_on, panel = page.locator("#worker-dialog"), page.locator("p.in-flight"), page.locator("#worker-license")

    page.locator("#license-register").click()
    dialog.locator("#register_token").fill("ZGVtby10b2tlbi1mcm9tLWEtYnJvd3Nlcg")
    results = Axe().run(page, context="#worker-dialog", options={"runOnly": ["wcag2a", "wcag2aa"]})
    assert results.violations_count == 0, results.generate_report()
    dialog.get_by_role("button", name="Register").click()

    expect(going_on).to_contain_text("Registering, asked by admin")
    expect(going_on).to_contain_text("registration IN_PROGRESS", timeout=SLOW)
    expect(page.locator("[data-part=fact-license]")).to_contain_text("Registered", timeout=SLOW)
    expect(going_on).to_have_count(0, timeout=SLOW)
    expect(panel).to_contain_text("Example Networks Academy")
    expect(panel).to_contain_text("IN_COMPLIANCE")

    answer_with(sandbox, NAME, deregistration="202")
    page.locator("#license-deregister").click()
    dialog.locator("#deregister_stop_labs").check()
    dialog.get_by_role("button", name="Deregister").click()

    expect(page.locator("#license-doubt")).to_contain_text("Its seat may still be taken", timeout=SLOW)
    expect(page.locator("#worker-operations")).to_contain_text("Cisco’s server was not reached", timeout=SLOW)
    page.get_by_role("link", name="See doubtful seats").click()
    seats = page.locator("#license-seats")
    expect(seats.locator("tbody tr")).to_have_count(1)
    expect(seats).to_contain_text(NAME)
    results = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "best-practice"]})
    assert results.violations_count == 0, results.generate_report()

    seats.get_by_role("link", name="Clear up the seat").click()
    page.locator("#resolve_note").fill("removed in Smart Software Manager")
    page.get_by_role("button", name="It is cleared up").click()

    expect(seats).to_contain_text("None: every seat that was given back is known to be free.")
