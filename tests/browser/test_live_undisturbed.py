"""What a person is doing in a page stays as it is when news comes, on every page that lives (real sandbox, real browser)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.sandbox_process import Sandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

# A word in something that each of the pages shows, changed as services change it: saved, and announced after commit.
CHANGE = """
from django.db import transaction
from django.utils import timezone
from labs import events as labs_events
from labs.models import Lab
from workers import events
from workers.models import Alert, Operation, Worker
with transaction.atomic():
    worker = Worker.objects.get(name="ccna-evening")
    Worker.objects.filter(pk=worker.pk).update(description="newsworthy", cml_version="newsworthy", service_reasons=[])
    events.announce_workers([worker.pk])
    lab = Lab.objects.get(pk={lab!r})
    Lab.objects.filter(pk=lab.pk).update(description="newsworthy")
    labs_events.announce_labs([lab.pk])
    now = timezone.now()
    Alert.objects.create(worker=worker, worker_name=worker.name, kind="disk", severity="warning", worst="warning", sentence="newsworthy",
                         since=now, opened_at=now, changed_at=now)
    events.announce_alerts(worker_ids=[worker.pk])
    Operation.objects.filter(pk={operation!r}).update(sentence="newsworthy")
    events.announce_operation(Operation.objects.get(pk={operation!r}).pk)
"""
FIND = """
import time
from datetime import timedelta
from django.utils import timezone
from labs.models import Lab
from workers.models import Alert, Operation, Worker
worker = Worker.objects.get(name="ccna-evening")
now = timezone.now()
operation, _ = Operation.objects.get_or_create(
    worker_name="once", defaults={"kind": "stop", "actor_kind": "person", "state": "failed", "slot": "machine", "asked_at": now,
                                  "finished_at": now, "due_at": now})
for _ in range(200):  # a young sandbox is still reading its labs
    lab = Lab.objects.filter(worker=worker, gone_at=None).first()
    if lab:
        break
    time.sleep(0.2)
# What is planted stays until it has been seen: CML is not asked meanwhile.
later = now + timedelta(hours=1)
Worker.objects.filter(pk=worker.pk).update(cml_due_at=later, labs_due_at=later)
answer = {"worker": worker.get_absolute_url(), "lab": str(lab.pk), "lab_url": lab.get_absolute_url(), "lab_title": lab.title,
          "operation": str(operation.pk), "operation_url": operation.get_absolute_url()}
"""

# What a person may be in the middle of; each page has some of it.
BEGIN = """() => {
    const first = selector => document.querySelector(selector);
    window.stillTheSamePage = true;
    const box = first('main [data-select]');
    if (box) box.click();
    const details = first('main details.menu') || first('main details');
    if (details) details.open = true;
    // What is typed into filters is applied at once, and those that say data-follow follow the address.
    const input = first('main input[name=note]') || first('main textarea') || first('main #q:not([data-follow])');
    if (input) input.value = 'half typ';
    const copied = first('main [data-row-link]') || first('main h1');
    document.getSelection().selectAllChildren(copied);
    const focused = first('main tbody a') || first('main a');
    focused.focus();
    window.mine = { box, details, input, copied: copied.textContent, focused };
    scrollTo(0, 120);
    window.scrolled = scrollY;
}"""
HOW = """() => ({
    samePage: window.stillTheSamePage === true,
    box: mine.box ? mine.box.isConnected && mine.box.checked : null,
    details: mine.details ? mine.details.isConnected && mine.details.open : null,
    input: mine.input ? mine.input.isConnected && mine.input.value : null,
    copied: document.getSelection().toString().trim() === mine.copied.trim(),
    focus: document.activeElement === mine.focused,
    scroll: Math.abs(scrollY - scrolled) < 2,
})"""


def test_news_disturbs_nobody_on_any_page(sandbox: Sandbox, open_as: Callable[..., Page]) -> None:
    facts: dict[str, Any] = sandbox.run_script(FIND)
    addresses = {
        "fleet": "/?q=ccna-evening",
        "worker": facts["worker"],
        "labs": "/labs/?q=ccna-evening",
        "lab": facts["lab_url"],
        "alerts": "/alerts/",
        "operations": "/operations/",
        "operation": facts["operation_url"],
    }
    first = open_as("admin", height=400)
    pages = {}
    for name, address in addresses.items():
        page = pages[name] = first.context.new_page()
        page.goto(sandbox.url + address)
    # More than a browser may hold streams for: each is looked at in turn, as tabs are.
    before = {}
    for name, page in pages.items():
        page.evaluate("dispatchEvent(new Event('focus'))")
        expect(page.locator('#live-badge:is([data-state="connected"], [data-state="polling"])')).to_have_count(
            1, timeout=20_000
        )
        page.evaluate(BEGIN)
        before[name] = page.evaluate(HOW)
        assert False not in before[name].values(), name

    sandbox.run_script(CHANGE.format(**facts))

    # The alert is looked for first: the portal's own check closes it soon.
    for page in sorted(pages.values(), key=lambda page: page is not pages["alerts"]):
        expect(page.locator("main")).to_contain_text("newsworthy", timeout=15_000)
        page.evaluate("() => document.dispatchEvent(new CustomEvent('live:behind', { detail: { within: 0, lost: true } }))")
    for name, page in pages.items():
        page.wait_for_load_state("networkidle")
        assert page.evaluate(HOW) == before[name], name
    assert {name: how["box"] for name, how in before.items() if how["box"] is not None} == {
        "fleet": True,
        "labs": True,
        "alerts": True,
    }


def test_a_dialog_that_is_open_and_half_filled_outlives_the_news(sandbox: Sandbox, open_as: Callable[..., Page]) -> None:
    facts: dict[str, Any] = sandbox.run_script(FIND)
    page = open_as("admin", facts["worker"])
    expect(page.locator("#live-badge")).to_have_attribute("data-state", "connected", timeout=20_000)
    page.locator("#action-more summary").click()
    page.get_by_role("button", name="Terminate").or_(page.get_by_role("link", name="Terminate")).first.click()
    dialog = page.locator("#worker-dialog")
    field = dialog.locator("input:not([type=hidden], [type=checkbox], [type=radio]), textarea").first
    field.fill("ccna-eve")

    sandbox.run_script(CHANGE.format(**facts).replace("newsworthy", "still newsworthy"))

    expect(page.locator("#worker-live")).to_contain_text("still newsworthy", timeout=15_000)
    expect(dialog).to_have_js_property("open", True)
    expect(field).to_have_value("ccna-eve")
    expect(field).to_be_focused()


def test_marks_are_still_where_motion_is_not_wanted(sandbox: Sandbox, open_as: Callable[..., Page]) -> None:
    for motion, animated in (("no-preference", True), ("reduce", False)):
        page = open_as("user", reduced_motion=motion)
        look = page.locator("#fleet tbody tr").first.evaluate(
            "row => { row.classList.add('changed'); const look = getComputedStyle(row);"
            " return [look.animationName, look.outlineStyle] }"
        )
        assert look[0] == ("changed" if animated else "none")
        assert (look[1] == "dotted") is not animated
