"""From stop_instances to the row that changed in an open browser: everything between them is real but AWS."""

from __future__ import annotations

import time

from playwright.sync_api import Page, sync_playwright

from tests.bench.report import Goal, Line
from tests.bench.run import Run, Skipped
from tests.bench.timing import median
from tests.chromium import ARGUMENTS, chromium_path
from tests.sandbox_process import Sandbox, running_sandbox

POLL = 5  # seconds, the sandbox's STATE_INTERVAL
# Running from the start of the sandbox, in its first region.
NAMES = ("ccna-evening", "ccnp-encor-02", "ccnp-encor-01")
_STOPPED = """name => [...document.querySelectorAll('#fleet tbody tr')]
    .some(row => row.textContent.includes(name) && /Stopp(ing|ed)/.test(row.textContent))"""


def measure(run: Run) -> list[Line]:
    """Three machines stopped behind the portal's back, one after another."""
    try:
        path = chromium_path()
    except AssertionError as missing:
        raise Skipped(str(missing)) from missing
    with running_sandbox(run.folder / "sandbox") as sandbox, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = chromium.new_page()
        _sign_in(page, sandbox)
        times = [_stop(page, sandbox, name) for name in NAMES]
        chromium.close()
    return [
        Line(
            key="browser.slowest",
            what="stop_instances in EC2 → row changed in a browser, slowest",
            value=max(times),
            unit="s",
            goal=Goal(kind="at most", limit=POLL + 1),
            note=f"{len(times)} times, median {median(times):.1f} s; the poll interval is {POLL} s. Without the stream a page reads "
            "itself again every 60 s",
        )
    ]


def _sign_in(page: Page, sandbox: Sandbox) -> None:
    page.goto(f"{sandbox.url}/sign-in/?next=/")
    page.fill("input[name=login]", "user")
    page.fill("input[name=password]", "test")
    page.press("input[name=password]", "Enter")
    page.wait_for_selector("#live-badge[data-state=connected]", timeout=30_000)


def _stop(page: Page, sandbox: Sandbox, name: str) -> float:
    instance_id = sandbox.instance_id(name)
    if page.evaluate(_STOPPED, name):
        raise RuntimeError(f"{name} is stopped already.")
    started = time.monotonic()
    sandbox.ec2().stop_instances(InstanceIds=[instance_id])
    # Looks at every frame of the screen.
    page.wait_for_function(_STOPPED, arg=name, timeout=60_000)
    return time.monotonic() - started
