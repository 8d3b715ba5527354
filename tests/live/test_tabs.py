"""Ten open tabs of one browser over HTTP/1.1, which gives a browser six connections to a host (real browser)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from playwright.sync_api import Error as PlaywrightError

from tests.live.pages import Pages, eventually
from tests.live.portal import until
from tests.live.table import row, state, table

pytestmark = pytest.mark.browser
STREAMS = 4

# A tab's visibility, for the test to say: headless Chromium calls every tab visible.
VISIBILITY = """
window.tabIsHidden = %s;
Object.defineProperty(document, 'visibilityState', { get: () => (window.tabIsHidden ? 'hidden' : 'visible'), configurable: true });
window.show = seen => { window.tabIsHidden = !seen; document.dispatchEvent(new Event('visibilitychange')); };
"""


@pytest.fixture
def browser_of_one(chromium: Browser) -> Iterator[BrowserContext]:
    """All its tabs share six connections to a host."""
    context = chromium.new_context()
    yield context
    context.close()


def open_tab(context: BrowserContext, pages: Pages, *, hidden: bool = False) -> Page:
    page = context.new_page()
    page.add_init_script(VISIBILITY % ("true" if hidden else "false"))
    page.goto(f"{pages.url}/page", timeout=5_000)  # the seventh hung here
    return page


def badge(page: Page) -> str:
    return str(page.get_attribute("#live-badge", "data-state"))


def show(page: Page, seen: bool = True) -> None:
    page.evaluate("seen => show(seen)", seen)


def test_ten_tabs_opened_one_over_the_other_are_each_right_when_looked_at(browser_of_one: BrowserContext, pages: Pages) -> None:
    pages.body = table(row("a"))
    tabs = []
    for _ in range(10):
        if tabs:
            show(tabs[-1], False)
        tabs.append(open_tab(browser_of_one, pages))
        eventually(lambda: badge(tabs[-1]), "connected")
    pages.wait_for_streams(STREAMS)

    pages.part = table(row("a", "stopped"))
    pages.say("row.a", row("a", "stopped"))

    # Those that were looked at last heard it though they are hidden; the others read it when somebody looks.
    for tab in tabs[-STREAMS:]:
        eventually(lambda tab=tab: state(tab, "a"), "stopped")
    assert [state(tab, "a") for tab in tabs[:-STREAMS]] == ["running"] * 6
    show(tabs[-1], False)
    for tab in tabs:
        show(tab)
        eventually(lambda tab=tab: state(tab, "a"), "stopped", 3)
        eventually(lambda tab=tab: badge(tab), "connected", 3)
        show(tab, False)
    until(lambda: len(pages.connections) <= STREAMS, "four streams at most")


def test_ten_tabs_opened_behind_hold_no_stream_until_they_are_looked_at(browser_of_one: BrowserContext, pages: Pages) -> None:
    pages.body = table(row("a"))
    first = open_tab(browser_of_one, pages)
    behind = [open_tab(browser_of_one, pages, hidden=True) for _ in range(9)]
    eventually(lambda: badge(first), "connected")
    assert pages.streams == 1
    eventually(lambda: [badge(tab) for tab in behind], ["polling"] * 9)
    assert pages.streams == 1
    show(behind[3])
    eventually(lambda: badge(behind[3]), "connected", 3)
    assert len(pages.connections) == 2


def test_ten_windows_in_sight_are_all_right_within_seconds_and_the_site_stays_navigable(
    browser_of_one: BrowserContext, pages: Pages
) -> None:
    pages.body = table(row("a"))
    windows = [open_tab(browser_of_one, pages) for _ in range(10)]
    until(lambda: len(pages.connections) == STREAMS, "four streams")
    assert sorted(badge(window) for window in windows).count("polling") == 6

    pages.body = pages.part = table(row("a", "stopped"))
    pages.say("row.a", row("a", "stopped"))

    for window in windows:
        eventually(lambda window=window: state(window, "a"), "stopped", 7)
    for window in windows:
        window.goto(f"{pages.url}/page?again", timeout=5_000)
        assert state(window, "a") == "stopped"


@pytest.mark.parametrize("end", ["closed", "crashed", "frozen"])
def test_a_tab_that_ends_leaves_its_place_to_another(browser_of_one: BrowserContext, pages: Pages, end: str) -> None:
    pages.body = table(row("a"))
    windows = [open_tab(browser_of_one, pages) for _ in range(STREAMS + 1)]
    until(lambda: len(pages.connections) == STREAMS, "four streams")
    eventually(lambda: badge(windows[0]), "polling")

    if end == "closed":
        windows[-1].close()
    elif end == "crashed":
        with contextlib.suppress(PlaywrightError):  # the tab is gone, however playwright calls it
            windows[-1].goto("chrome://crash", timeout=2_000)
    else:
        windows[-1].evaluate("document.dispatchEvent(new Event('freeze'))")

    eventually(lambda: badge(windows[0]), "connected", 12)
    pages.wait_for_streams(STREAMS)
    if end == "frozen":
        windows[-1].evaluate("document.dispatchEvent(new Event('resume'))")
        eventually(lambda: badge(windows[-1]), "connected")
        pages.wait_for_streams(STREAMS)


def test_tabs_that_cannot_hear_each_other_give_their_stream_back_when_hidden(
    browser_of_one: BrowserContext, pages: Pages
) -> None:
    pages.body = table(row("a"))
    browser_of_one.add_init_script("delete window.BroadcastChannel")
    page = browser_of_one.new_page()
    page.clock.install()
    page.add_init_script(VISIBILITY % "false")
    page.goto(f"{pages.url}/page")
    pages.wait_for_streams(1)
    show(page, False)
    page.clock.run_for(8_000)
    assert len(pages.connections) == 1
    page.clock.run_for(4_000)
    pages.wait_for_streams(0)
    pages.part = table(row("a", "stopped"))
    show(page)
    pages.wait_for_streams(1)
    page.clock.run_for(100)
    eventually(lambda: state(page, "a"), "stopped")


def test_the_tab_that_is_alone_keeps_its_stream_while_hidden_so_that_its_title_stays_true(
    browser_of_one: BrowserContext, pages: Pages
) -> None:
    pages.body = table(row("a"))
    page = browser_of_one.new_page()
    page.clock.install()
    page.add_init_script(VISIBILITY % "false")
    page.goto(f"{pages.url}/page")
    pages.wait_for_streams(1)
    show(page, False)
    page.clock.run_for(20_000)
    pages.say("fleet.counts", '<span id="count-failing" hx-swap-oob="innerHTML">2</span>')
    eventually(page.title, "(2 failing) Page")
    assert page.get_attribute("link[rel=icon]", "href") == "data:,failing"
