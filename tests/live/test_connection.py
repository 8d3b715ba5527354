"""The page's connection and its badge, through every bad day (real browser, real EventSource)."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.live.pages import Pages, eventually
from tests.live.portal import until
from tests.live.table import opened, row, state, table

pytestmark = pytest.mark.browser

BODY = """<main id="main" hx-ext="sse, patch" sse-connect="/stream?channel=a"><p id="word" sse-swap="word">none</p></main>"""


@pytest.fixture
def live(pages: Pages, page: Page) -> Page:
    """A page that is connected, and counts the orders to read again."""
    pages.body = pages.body or BODY
    page.add_init_script("""window.rereads = 0;
        addEventListener('DOMContentLoaded', () => document.body.addEventListener('live:reread', () => { rereads += 1 }))""")
    page.goto(f"{pages.url}/page")
    eventually(lambda: badge(page), "connected")
    pages.wait_for_streams(1)  # the browser calls it open when it has the head; who speaks must wait for the body
    return page


def badge(page: Page) -> Any:
    return page.get_attribute("#live-badge", "data-state")


def text(page: Page) -> Any:
    return page.text_content("[data-live-text]")


def hide(page: Page, hidden: bool) -> None:
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, 'visibilityState', { value: hidden ? 'hidden' : 'visible', configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )


def test_an_open_stream_says_live_and_does_not_read_the_page_again(live: Page, pages: Pages) -> None:
    pages.say("word", "<b>hello</b>")
    eventually(lambda: live.text_content("#word"), "hello")
    assert text(live) == "Live"
    assert live.evaluate("document.documentElement.dataset.live") == "connected"
    assert live.evaluate("rereads") == 0


def test_after_a_restart_of_the_server_the_page_reconnects_and_reads_again(live: Page, pages: Pages) -> None:
    pages.stop()
    eventually(lambda: badge(live), "reconnecting")
    pages.start()
    eventually(lambda: badge(live), "connected", 15)
    eventually(lambda: live.evaluate("rereads"), 1)
    pages.say("word", "<b>again</b>")
    eventually(lambda: live.text_content("#word"), "again")
    assert len(pages.connections) == 1


@pytest.mark.parametrize(("status", "state", "words"), [(401, "signed-out", "Signed out"), (403, "forbidden", "No access")])
def test_a_refusal_is_final_and_says_which(live: Page, pages: Pages, status: int, state: str, words: str) -> None:
    pages.status = status
    pages.close_streams()
    eventually(lambda: badge(live), state, 15)
    assert text(live) == words
    asked = pages.streams + pages.probes
    live.wait_for_timeout(2_500)
    assert pages.streams + pages.probes == asked
    if status == 401:
        assert live.get_attribute("#live-badge a", "href") == f"{pages.url}/sign-in?next=%2Fpage"


def test_a_proxy_without_its_server_is_asked_again_until_it_is_back(live: Page, pages: Pages) -> None:
    pages.status = 503
    pages.close_streams()
    until(lambda: pages.probes >= 2, "two probes", 15)
    assert badge(live) == "reconnecting"
    pages.status = 200
    eventually(lambda: badge(live), "connected", 15)
    eventually(lambda: live.evaluate("rereads"), 1)
    assert len(pages.connections) == 1


@pytest.mark.parametrize(("condition", "state"), [("signed-out", "signed-out"), ("forbidden", "forbidden")])
def test_a_stream_that_the_server_ended_for_good_is_not_asked_for_again(
    live: Page, pages: Pages, condition: str, state: str
) -> None:
    pages.say("stream-error", json.dumps({"condition": condition, "text": "x"}))
    eventually(lambda: badge(live), state)
    pages.wait_for_streams(0)
    live.wait_for_timeout(2_000)
    assert pages.streams == 1


def test_a_stream_that_the_server_ended_for_a_moment_comes_back(live: Page, pages: Pages) -> None:
    pages.say("stream-error", json.dumps({"condition": "unavailable", "text": "x"}))
    eventually(lambda: pages.streams, 2)
    eventually(lambda: badge(live), "connected")


def test_without_heartbeats_the_badge_says_stale_until_the_next_one(pages: Pages, page: Page) -> None:
    pages.body, pages.heartbeat = BODY, 0.5
    page.goto(f"{pages.url}/page")
    eventually(lambda: badge(page), "connected")
    eventually(lambda: badge(page), "stale")
    assert text(page) == "Stale"
    assert page.title() == "(stale) Page"
    assert page.get_attribute("link[rel=icon]", "href") == "data:,stale"
    assert str(page.text_content("#announce")).startswith("Live updates: Stale.")
    pages.say("heartbeat")
    eventually(lambda: badge(page), "connected")
    assert page.title() == "Page"
    eventually(lambda: "Last event 2 s ago. Last heartbeat 2 s ago." in str(page.get_attribute("#live-badge", "title")), True)


def test_offline_says_disconnected_and_online_comes_back_at_once(live: Page, pages: Pages) -> None:
    live.context.set_offline(True)
    eventually(lambda: badge(live), "disconnected")
    pages.wait_for_streams(0)
    live.context.set_offline(False)
    eventually(lambda: badge(live), "connected")
    eventually(lambda: live.evaluate("rereads"), 1)


def test_a_connection_lost_for_longer_is_called_disconnected(pages: Pages, page: Page) -> None:
    pages.body = BODY
    page.clock.install()
    page.goto(f"{pages.url}/page")
    eventually(lambda: badge(page), "connected")
    pages.status = 503
    pages.close_streams()
    pages.wait_for_streams(0)
    page.clock.run_for(2_000)
    eventually(lambda: badge(page), "reconnecting")
    page.clock.run_for(31_000)
    eventually(lambda: badge(page), "disconnected")


def test_a_glance_at_another_tab_costs_nothing(live: Page, pages: Pages) -> None:
    hide(live, True)
    hide(live, False)
    live.wait_for_timeout(200)
    assert pages.streams == 1
    assert live.evaluate("rereads") == 0


def test_pages_that_were_left_hold_no_connection(live: Page, pages: Pages) -> None:
    for number in range(8):
        live.goto(f"{pages.url}/page?{number}")
        eventually(lambda: badge(live), "connected")
        pages.wait_for_streams(1)


def test_a_page_kept_for_the_back_button_closes_its_stream_and_opens_it_on_return(live: Page, pages: Pages) -> None:
    live.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    pages.wait_for_streams(0)
    live.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    pages.wait_for_streams(1)
    eventually(lambda: live.evaluate("rereads"), 1)


def test_the_servers_order_to_read_again_is_followed_once_and_not_by_all_pages_at_once(live: Page, pages: Pages) -> None:
    for _ in range(5):
        pages.say("reread")
    eventually(lambda: live.evaluate("rereads"), 1)
    live.wait_for_timeout(1_100)
    assert live.evaluate("rereads") == 1


def test_a_part_that_could_not_be_read_is_read_again_until_it_is_there(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a")))
    pages.part = table(row("a", "stopped"))
    pages.part_status = 503
    pages.close_streams()
    until(lambda: pages.reads >= 2, "it was asked for twice")
    # The stream is open again; what was missed is not here, and the badge says so.
    pages.wait_for_streams(1)
    assert badge(page) == "reconnecting"
    pages.part_status = 200
    eventually(lambda: state(page, "a"), "stopped")
    eventually(lambda: badge(page), "connected")


def test_a_part_that_is_gone_for_good_does_not_keep_the_page_from_being_right(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a")))
    pages.part_status = 404
    pages.close_streams()
    until(lambda: pages.reads == 1, "it was asked for")
    eventually(lambda: badge(page), "connected")
    page.wait_for_timeout(1_500)
    assert pages.reads == 1


def test_a_stream_that_is_not_answered_is_asked_for_again(live: Page, pages: Pages) -> None:
    pages.holding = "/stream"
    pages.close_streams()
    until(lambda: len(pages.held) == 1, "the stream is asked for")
    pages.holding = ""
    eventually(lambda: badge(live), "connected", 10)


def test_a_page_whose_stream_opens_late_reads_again(pages: Pages, page: Page) -> None:
    pages.status, pages.body = 503, table(row("a"))
    page.clock.install()
    page.goto(f"{pages.url}/page")
    until(lambda: pages.streams >= 1, "the stream is asked for")
    page.clock.run_for(16_000)
    pages.status, pages.part = 200, table(row("a", "stopped"))
    page.clock.run_for(10_000)
    pages.wait_for_streams(1)
    page.clock.run_for(100)
    eventually(lambda: state(page, "a"), "stopped")


def test_a_page_whose_machine_slept_opens_a_new_stream_and_reads_again_at_once(pages: Pages, page: Page) -> None:
    page.clock.install()
    opened(pages, page, table(row("a")))
    pages.part = table(row("a", "stopped"))
    page.clock.fast_forward(25_000)  # the clock jumped, though the page's stream seems open and is not silent for long
    eventually(lambda: pages.streams, 2)
    page.clock.run_for(100)
    eventually(lambda: state(page, "a"), "stopped")
    pages.wait_for_streams(1)


def test_the_title_and_the_icon_tell_of_failing_workers_on_every_page(live: Page, pages: Pages) -> None:
    pages.say("fleet.counts", '<span id="count-failing" hx-swap-oob="innerHTML">3</span>')
    eventually(live.title, "(3 failing) Page")
    assert live.get_attribute("link[rel=icon]", "href") == "data:,failing"
    pages.say("fleet.counts", '<span id="count-failing" hx-swap-oob="innerHTML">0</span>')
    eventually(live.title, "Page")
    assert live.get_attribute("link[rel=icon]", "href") == "data:,well"


def test_nothing_that_the_stream_says_breaks_the_page(live: Page, pages: Pages) -> None:
    for kind in ("checked", "hello", "heartbeat", "stream-error-not", "reread"):
        pages.say(kind, "{not json")
    pages.say("checked", json.dumps({"at": "never", "workers": ['"]']}))
    pages.say("word", "<b>fine</b>")
    eventually(lambda: live.text_content("#word"), "fine")


# ── Ages ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def moment(seconds_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()


def times(pages: Pages, *tags: str) -> None:
    pages.body = BODY + "".join(f"<time data-age {tag}>?</time>" for tag in tags)


def test_ages_are_words_that_stay_true(pages: Pages, page: Page) -> None:
    times(pages, *(f'datetime="{moment(seconds)}"' for seconds in (5, 200, 7_300, 400_000)), 'datetime="nonsense"')
    page.goto(f"{pages.url}/page")
    eventually(
        lambda: page.eval_on_selector_all("time", "all => all.slice(1).map(t => t.textContent)"),
        ["3 min ago", "2 h ago", "4 d ago", "?"],
    )
    seen = str(page.text_content("time"))
    assert seen.endswith(" s ago")
    until(lambda: page.text_content("time") != seen, "the age moves on")


def test_old_knowledge_is_marked_and_a_checked_event_makes_it_young(pages: Pages, page: Page) -> None:
    old = f'datetime="{moment(300)}" data-stale-after="180"'
    times(pages, f'{old} data-checked="aws:us-east-1"', f'{old} data-checked="cml:w1"', f'{old} data-checked="cml:w2"')
    page.goto(f"{pages.url}/page")
    stale = "all => all.map(t => t.hasAttribute('data-stale'))"
    eventually(lambda: page.eval_on_selector_all("time", stale), [True, True, True])
    pages.wait_for_streams(1)
    pages.say("checked", json.dumps({"source": "aws", "region": "us-east-1", "at": moment(0)}))
    eventually(lambda: page.eval_on_selector_all("time", stale), [False, True, True])
    pages.say("checked", json.dumps({"source": "cml", "workers": ["w2"], "at": moment(0)}))
    eventually(lambda: page.eval_on_selector_all("time", stale), [False, True, False])
    pages.say("checked", json.dumps({"source": "cml", "workers": ["w2"], "at": moment(9_999)}))
    pages.say("word", "<b>after</b>")
    eventually(lambda: page.text_content("#word"), "after")
    assert page.eval_on_selector_all("time", stale) == [False, True, False]


def test_a_browser_with_a_wrong_clock_counts_by_the_servers(pages: Pages, page: Page) -> None:
    ahead = timedelta(hours=3)
    pages.hello = {"channels": 1, "at": (datetime.now(UTC) + ahead).isoformat()}
    times(pages, f'datetime="{(datetime.now(UTC) + ahead - timedelta(minutes=5, seconds=2)).isoformat()}"')
    page.goto(f"{pages.url}/page")
    started = time.monotonic()
    eventually(lambda: page.text_content("time"), "5 min ago")
    assert time.monotonic() - started < 8
