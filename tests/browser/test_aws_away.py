"""AWS does not answer: no worker changes, the page says since when and why, and goes on by itself."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.sandbox_process import Sandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def set_fault(sandbox: Sandbox, mode: str) -> None:
    body = json.dumps({"mode": mode}).encode()
    request = urllib.request.Request(f"{sandbox.facts['aws_endpoint_url']}/_sandbox/faults", data=body, method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def states(page: Page) -> dict[str, str]:
    rows = page.locator("#fleet tbody tr").all()
    return {row.get_attribute("id") or "": row.locator("[data-part=machine]").inner_text().splitlines()[0] for row in rows}


def test_an_outage_is_told_and_ends_by_itself_in_an_open_page(sandbox: Sandbox, open_as: Callable[..., Page]) -> None:
    page = open_as("user")
    expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=20_000)
    before = states(page)
    assert len(before) >= 12

    set_fault(sandbox, "unauthorized")
    banner = page.locator("#fleet").get_by_text("us-west-2", exact=False).filter(has_text="since")
    expect(banner.first).to_be_visible(timeout=40_000)
    assert states(page) == before

    set_fault(sandbox, "none")
    expect(banner).to_have_count(0, timeout=60_000)
    assert states(page) == before
