"""Answers and the stream's news overtake each other; what is newer stays (real browser)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.live.pages import Pages, eventually
from tests.live.table import names, opened, queries, reread, row, state, table

pytestmark = pytest.mark.browser


def counting(pages: Pages, page: Page, body: str) -> None:
    """Open a page that counts the answers it is through with, and from now on gets them when the test releases them."""
    opened(pages, page, body)
    page.evaluate("() => { window.answers = 0; document.addEventListener('htmx:afterRequest', () => { answers += 1 }) }")
    pages.holding = "/part"


def release(pages: Pages, page: Page, index: int) -> None:
    """Send one held answer and wait until the page is through with it."""
    answers = page.evaluate("answers")
    pages.held[index].release()
    eventually(lambda: page.evaluate("answers"), answers + 1)


def fleet(word: str, *rows: str) -> str:
    """A table with two links that filter it, as its address says."""
    links = "".join(
        f'<a id="{name}" href="/part?{name}" hx-get="/part?{name}" hx-target="#fleet" hx-push-url="true">{name}</a>'
        for name in ("one", "two")
    )
    return table(*(rows or [row("a", word)])).replace("/part", f"/part?{word}", 1).replace("<table", f"{links}<table")


# ── News and answers ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_asked_for_before_the_news_does_not_put_the_old_row_back(pages: Pages, page: Page) -> None:
    counting(pages, page, table(row("a"), row("b"), row("c"), row("gone")))
    reread(pages, page, table(row("c"), row("a"), row("new"), row("b", "paused")))
    eventually(lambda: queries(pages), [""])
    for name in ("a", "gone"):
        pages.say(f"row.{name}", row(name, "stopped", keep=False))
        eventually(lambda name=name: state(page, name), "stopped")
    release(pages, page, 0)
    assert state(page, "a") == "stopped"
    # All else is as the answer says.
    assert names(page) == ["c", "a", "new", "b"]
    assert state(page, "b") == "paused"


def test_an_answer_asked_for_after_the_news_counts(pages: Pages, page: Page) -> None:
    counting(pages, page, table(row("a")))
    pages.say("row.a", row("a", "stopped"))
    eventually(lambda: state(page, "a"), "stopped")
    reread(pages, page, table(row("a", "terminated")))
    eventually(lambda: queries(pages), [""])
    release(pages, page, 0)
    assert state(page, "a") == "terminated"


def test_what_only_the_page_renders_comes_with_the_answer_nevertheless(pages: Pages, page: Page) -> None:
    counting(pages, page, table(row("a")))
    reread(pages, page, table(row("a").replace(">Stop<", ">Start<")))
    eventually(lambda: queries(pages), [""])
    pages.say("row.a", row("a", "stopped", keep=False))
    eventually(lambda: state(page, "a"), "stopped")
    release(pages, page, 0)
    assert state(page, "a") == "stopped"
    assert page.text_content("#stop-a") == "Start"


def test_a_panel_that_is_read_as_a_whole_keeps_its_news(pages: Pages, page: Page) -> None:
    def panel(word: str) -> str:
        return f'<div id="panel" sse-swap="panel" hx-swap="patch" hx-target="this"><b data-part="word">{word}</b></div>'

    reader = '<p hidden hx-get="/part" hx-trigger="live:reread from:body" hx-target="#panel" hx-swap="patch"></p>'
    counting(pages, page, f'<main hx-ext="sse, patch" sse-connect="/stream?channel=a">{reader}{panel("one")}</main>')
    reread(pages, page, panel("two"))
    eventually(lambda: queries(pages), [""])
    pages.say("panel", panel("three"))
    eventually(lambda: page.text_content("#panel"), "three")
    release(pages, page, 0)
    assert page.text_content("#panel") == "three"
    reread(pages, page, panel("four"))
    eventually(lambda: queries(pages), ["", ""])
    release(pages, page, 1)
    assert page.text_content("#panel") == "four"


def test_a_count_sent_out_of_band_is_news_too(pages: Pages, page: Page) -> None:
    def counts(number: int) -> str:
        tile = f'<b id="count">{number}</b><i sse-swap="counts" hx-swap="none" hx-target="this"></i>'
        return table(row("a")).replace("<table", f"{tile}<table")

    counting(pages, page, counts(1))
    reread(pages, page, counts(2))
    eventually(lambda: queries(pages), [""])
    pages.say("counts", '<b id="count" hx-swap-oob="innerHTML">3</b>')
    eventually(lambda: page.text_content("#count"), "3")
    release(pages, page, 0)
    assert page.text_content("#count") == "3"


def test_the_answer_to_a_post_is_news_too(pages: Pages, page: Page) -> None:
    button = '<button id="act" hx-post="/part" hx-target="[id=\'row.a\']" hx-swap="patch">Act</button>'
    counting(pages, page, table(row("a")).replace("<table", f"{button}<table"))
    reread(pages, page, table(row("a"), row("b")).replace("<table", f"{button}<table"))
    eventually(lambda: queries(pages), [""])
    pages.part = row("a", "stopping")
    page.click("#act")
    eventually(lambda: queries(pages), ["", ""])
    release(pages, page, 1)
    assert state(page, "a") == "stopping"
    release(pages, page, 0)
    assert names(page) == ["a", "b"]
    assert state(page, "a") == "stopping"


# ── Answers among themselves ───────────────────────────────────────────────────────────────────────────────────────


def test_rereads_of_one_part_do_not_overlap(pages: Pages, page: Page) -> None:
    counting(pages, page, table(row("a")))
    for word in ("paused", "stopping", "stopped"):
        reread(pages, page, table(row("a", word)))
    eventually(lambda: queries(pages), [""])
    release(pages, page, 0)
    eventually(lambda: queries(pages), ["", ""])
    release(pages, page, 1)
    assert state(page, "a") == "stopped"
    assert pages.reads == 2


def test_rereads_that_overlap_nevertheless_count_in_the_order_in_which_they_were_sent(pages: Pages, page: Page) -> None:
    counting(pages, page, table(row("a")))
    for number, word in enumerate(("paused", "stopped"), 1):
        reread(pages, page, table(row("a", word)))
        eventually(lambda number=number: len(pages.held), number)
        # htmx forgets the request that is under way when it initialises the element anew.
        page.evaluate("n => { fleet.setAttribute('hx-vals', JSON.stringify({n})); htmx.process(fleet) }", number)
    release(pages, page, 1)
    assert state(page, "a") == "stopped"
    release(pages, page, 0)
    assert state(page, "a") == "stopped"


def test_of_two_choices_the_last_holds_whichever_answer_comes_first(pages: Pages, page: Page) -> None:
    counting(pages, page, fleet("none"))
    for name in ("one", "two"):
        pages.part = fleet(name)
        page.click(f"#{name}")
    eventually(lambda: queries(pages), ["one", "two"])
    release(pages, page, 1)
    assert state(page, "a") == "two"
    release(pages, page, 0)
    assert state(page, "a") == "two"
    assert page.url == f"{pages.url}/part?two"


def test_a_reread_on_its_way_does_not_undo_a_choice_and_is_asked_for_again(pages: Pages, page: Page) -> None:
    counting(pages, page, fleet("none"))
    pages.part = fleet("one")
    page.click("#one")
    eventually(lambda: queries(pages), ["one"])
    reread(pages, page, fleet("none"))
    eventually(lambda: queries(pages), ["one", "none"])
    release(pages, page, 0)
    assert state(page, "a") == "one"
    pages.part = fleet("one", row("a", "stopped"))
    release(pages, page, 1)
    assert state(page, "a") == "one"
    eventually(lambda: queries(pages), ["one", "none", "one"])
    release(pages, page, 2)
    assert state(page, "a") == "stopped"


def test_a_choice_holds_though_a_later_reread_was_answered_first(pages: Pages, page: Page) -> None:
    counting(pages, page, fleet("none"))
    pages.part = fleet("one")
    page.click("#one")
    eventually(lambda: queries(pages), ["one"])
    reread(pages, page, fleet("none", row("a", "stopped")))
    eventually(lambda: queries(pages), ["one", "none"])
    release(pages, page, 1)
    assert state(page, "a") == "stopped"
    release(pages, page, 0)
    assert state(page, "a") == "one"


def test_a_reread_that_waited_for_its_turn_reads_what_is_chosen_by_then(pages: Pages, page: Page) -> None:
    counting(pages, page, fleet("none"))
    for _ in range(2):
        reread(pages, page, fleet("none"))
    eventually(lambda: queries(pages), ["none"])
    pages.part = fleet("one")
    page.click("#one")
    eventually(lambda: queries(pages), ["none", "one"])
    release(pages, page, 1)
    release(pages, page, 0)
    eventually(lambda: queries(pages), ["none", "one", "one"])
    release(pages, page, 2)
    assert state(page, "a") == "one"
