"""Values under the mouse, the finger and the arrow keys in a worker's charts, before and after swaps (real browser)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live.portal import COOKIE, Portal
from tests.redis_server import RedisServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

# A reading of CML every 15 minutes for a day: the CPU is how many quarters of an hour ago it was.
FILL = """
from datetime import timedelta
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone
from accounts.models import User
from tests.makers import make_worker
from workers.history import WINDOWS
from workers.models import Sample
person = User.objects.create_user(username="viewer", time_zone="Europe/Madrid")
person.groups.add(Group.objects.get(name="user"))
client = Client()
client.force_login(person, backend="accounts.local.backend.LocalBackend")
worker = make_worker()
first = WINDOWS["24h"].begins(timezone.now())
Sample.objects.bulk_create(
    Sample(worker=worker, at=first + timedelta(minutes=15 * step), source="cml", cpu=95 - step, nodes=step, labs=1)
    for step in range(96) if step != 48
)
answer["session"], answer["page"] = client.session.session_key, worker.get_absolute_url()
"""


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    folder: Path = tmp_path_factory.mktemp("charts")
    server = RedisServer()
    server.start()
    portal = Portal(folder, server.url)
    portal.migrate()
    portal.start()
    yield portal
    portal.kill()
    server.kill()


@pytest.fixture(scope="module")
def filled(portal: Portal) -> dict[str, str]:
    return portal.run(FILL)


@pytest.fixture
def open_charts(chromium: Browser, portal: Portal, filled: dict[str, str]) -> Iterator[Callable[..., Page]]:
    """The worker's page; errors in its console fail the test."""
    contexts, errors = [], []

    def open_page(query: str = "", **options: object) -> Page:
        context = chromium.new_context(viewport={"width": 1440, "height": 1400}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        context.add_cookies([{"name": COOKIE, "value": filled["session"], "url": portal.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(portal.url + filled["page"] + query)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def place(page: Page, share: float, kind: str = "percent") -> tuple[float, float]:
    """Where in the window a share of a chart's time is."""
    picture = page.locator(f"[data-part=chart-{kind}] .chart-picture")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box
    return box["x"] + box["width"] * share, box["y"] + 40


def first_cell(page: Page, kind: str = "percent"):  # type: ignore[no-untyped-def]
    return page.locator(f"[data-part=chart-{kind}] [data-now]").first


def caption(page: Page, kind: str = "percent"):  # type: ignore[no-untyped-def]
    return page.locator(f"[data-part=chart-{kind}] [data-reading]")


def reread(page: Page) -> None:
    """Let the charts read themselves again, as they do each minute, and wait until they have."""
    page.evaluate(
        """() => new Promise(done => {
            document.addEventListener('htmx:afterSettle', done, {once: true});
            htmx.trigger('#worker-history', 'live:reread');
            document.body.dispatchEvent(new Event('live:reread'));
        })"""
    )


def test_the_mouse_reads_values_in_all_charts_and_a_swap_reads_on_at_the_same_moment(
    open_charts: Callable[..., Page], portal: Portal
) -> None:
    page = open_charts()
    expect(first_cell(page)).to_have_text("0 %")
    latest = caption(page).inner_text()
    assert re.fullmatch(r"Latest: \w{3} \d+ \w{3}, \d\d:\d\d CES?T", latest)

    page.mouse.move(*place(page, 24 / 95))
    expect(first_cell(page)).to_have_text("71 %")
    expect(first_cell(page, "counts")).to_have_text("24")
    moment = caption(page).inner_text()
    assert moment != latest
    assert caption(page, "counts").inner_text() == moment

    page.mouse.move(*place(page, 48 / 95))
    expect(first_cell(page)).to_have_text("–")

    page.mouse.move(*place(page, 24 / 95))
    with sqlite3.connect(portal.database, timeout=20) as database:
        database.execute("UPDATE workers_sample SET cpu = 33 WHERE nodes = 24")
    database.close()
    reread(page)
    expect(first_cell(page)).to_have_text("33 %")
    assert caption(page).inner_text() == moment

    page.mouse.move(5, 5)
    expect(first_cell(page)).to_have_text("0 %")
    expect(caption(page)).to_have_text(re.compile("^Latest: "))


def test_arrow_keys_read_and_speak_values(open_charts: Callable[..., Page]) -> None:
    page = open_charts()
    picture = page.locator("[data-part=chart-counts] .chart-picture")
    picture.focus()
    page.keyboard.press("ArrowLeft")
    expect(first_cell(page, "counts")).to_have_text("95")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("PageUp")
    expect(first_cell(page, "counts")).to_have_text("84")
    expect(page.locator("[data-spoken]")).to_have_text(re.compile(r": Nodes 84, Labs 1$"))
    reread(page)
    page.keyboard.press("ArrowRight")
    expect(first_cell(page, "counts")).to_have_text("85")
    page.keyboard.press("Home")
    expect(first_cell(page, "counts")).to_have_text("0")
    page.keyboard.press("Escape")
    expect(first_cell(page, "counts")).to_have_text("95")
    page.locator("[data-part=chart-percent] .chart-picture").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    expect(first_cell(page, "counts")).to_have_text("94")
    page.keyboard.press("Tab")
    expect(caption(page, "counts")).to_have_text(re.compile("^Latest: "))


def test_a_finger_leaves_its_value_standing_until_the_next_touch(open_charts: Callable[..., Page]) -> None:
    page = open_charts(has_touch=True)
    page.touchscreen.tap(*place(page, 10 / 95))
    expect(first_cell(page)).to_have_text("85 %")
    page.touchscreen.tap(*place(page, 90 / 95, "counts"))
    expect(first_cell(page)).to_have_text("5 %")
    page.locator("#panel-history").scroll_into_view_if_needed()
    heading = page.locator("#panel-history").bounding_box()
    assert heading
    page.touchscreen.tap(heading["x"] + 5, heading["y"] + 5)
    expect(first_cell(page)).to_have_text("0 %")


def test_the_chosen_window_is_in_the_address_and_back_returns(open_charts: Callable[..., Page]) -> None:
    page = open_charts()
    page.get_by_role("link", name="7 days").click()
    expect(page.locator("#panel-history")).to_have_text("Usage of the last 7 days")
    assert page.url.endswith("?window=7d")
    page.mouse.move(*place(page, 0.9))
    expect(caption(page)).not_to_have_text(re.compile("^Latest"))
    reread(page)
    expect(page.locator("#panel-history")).to_have_text("Usage of the last 7 days")
    page.reload()
    expect(page.locator("#panel-history")).to_have_text("Usage of the last 7 days")
    page.go_back()
    expect(page.locator("#panel-history")).to_have_text("Usage of the last 24 hours")
