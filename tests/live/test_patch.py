"""What the person does in a page is not disturbed by news (real browser)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.live.pages import Pages, eventually
from tests.live.table import names, opened, queries, reread, row, state, table

pytestmark = pytest.mark.browser


def focused(page: Page) -> Any:
    return page.evaluate("document.activeElement.id")


def test_a_row_from_the_stream_changes_its_cell_and_nothing_else(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a"), row("b")))
    page.check("#select-a")
    page.focus("#stop-a")
    page.evaluate("document.querySelectorAll('td, tr, input, button').forEach(node => { node.known = true })")
    pages.say("row.a", row("a", "stopped", keep=False))
    eventually(lambda: state(page, "a"), "stopped")
    assert state(page, "b") == "running"
    assert page.is_checked("#select-a")
    assert focused(page) == "stop-a"
    assert page.eval_on_selector_all("td, tr, input, button", "nodes => nodes.every(node => node.known)")
    assert page.eval_on_selector_all(".changed", "cells => cells.map(cell => cell.dataset.part)") == ["state"]
    eventually(lambda: page.locator(".changed").count(), 0)


def test_an_equal_row_touches_nothing(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a")))
    eventually(lambda: "ago" in str(page.text_content("time")), True)
    page.evaluate("""() => {
        window.mutations = 0;
        const row = document.getElementById('row.a');
        new MutationObserver(list => { mutations += list.filter(one => one.attributeName !== 'class').length })
            .observe(row.querySelector('[data-part=state]').parentNode, {subtree: true, childList: true, attributes: true});
        row.addEventListener('htmx:sseMessage', () => { window.done = true });
    }""")
    pages.say("row.a", row("a"))
    eventually(lambda: page.evaluate("window.done === true"), True)
    # The ticker writes the age; nothing else may have moved.
    assert page.locator(".changed").count() == 0
    assert page.evaluate("mutations") <= 1


def test_a_row_that_came_by_itself_is_marked_and_one_that_somebody_chose_is_not(pages: Pages, page: Page) -> None:
    choice = '<a id="all" href="/part" hx-get="/part" hx-target="#fleet" hx-swap="patch">All</a>'
    opened(pages, page, table(row("a")).replace("<table", f"{choice}<table"))
    marked = "rows => rows.map(row => row.classList.contains('changed'))"
    pages.part = table(row("a"), row("b")).replace("<table", f"{choice}<table")
    page.click("#all")
    eventually(lambda: names(page), ["a", "b"])
    assert page.eval_on_selector_all("#rows > tr", marked) == [False, False]
    reread(pages, page, table(row("a"), row("b"), row("c")).replace("<table", f"{choice}<table"))
    eventually(lambda: names(page), ["a", "b", "c"])
    assert page.eval_on_selector_all("#rows > tr", marked) == [False, False, True]


# ── What is heard ──────────────────────────────────────────────────────────────────────────────────────────────────


def spoken(name: str, badge: str, cpu: int) -> str:
    return row(name).replace(
        f'<td data-part="name">{name}</td>', f'<td data-part="name"><a data-row-link href="#">{name}</a></td>'
    ).replace(
        '<td data-part="state"><span class="badge">running</span></td>',
        f'<td data-label="Machine" data-part="state"><span class="badge"><span>{badge}</span></span></td>'
        f'<td data-label="CPU" data-part="cpu">{cpu} %</td>',
    )  # fmt: skip


def test_a_screen_reader_hears_states_and_not_figures(pages: Pages, page: Page) -> None:
    opened(pages, page, table(*(spoken(name, "Running", 10) for name in "abcdef")))
    pages.say("row.a", spoken("a", "Running", 90))
    eventually(lambda: "90 %" in str(page.text_content("#rows")), True)
    pages.say("row.b", spoken("b", "Stopping", 10))
    eventually(lambda: page.text_content("#announce"), "b: Machine Stopping.")
    for name in "cdef":
        pages.say(f"row.{name}", spoken(name, "Stopped", 0))
    eventually(lambda: page.text_content("#announce"), "4 rows changed their state.")


def test_a_screen_reader_hears_how_many_there_are_now(pages: Pages, page: Page) -> None:
    def counted(sentence: str) -> str:
        return table(row("a")).replace("<table", f'<span id="fleet-sentence">{sentence}</span><table')

    opened(pages, page, counted("12 workers"))
    reread(pages, page, counted("13 workers"))
    eventually(lambda: page.text_content("#announce"), "13 workers")


def test_open_menus_and_what_was_typed_survive(pages: Pages, page: Page) -> None:
    def panel(word: str) -> str:
        return (
            f'<div id="panel" sse-swap="panel" hx-swap="patch"><p data-part="word">{word}</p>'
            f'<details id="more"><summary>More</summary><input id="note" value="{word}"><textarea id="long">{word}</textarea>'
            f'</details><p class="tone-{word}">unkeyed</p></div>'
        )

    opened(pages, page, f'<main hx-ext="sse, patch" sse-connect="/stream?channel=a">{panel("one")}</main>')
    page.click("summary")
    page.fill("#note", "typed")
    page.fill("#long", "typed too")
    page.evaluate("document.querySelector('#long').setSelectionRange(2, 4)")
    pages.say("panel", panel("two"))
    eventually(lambda: page.text_content("[data-part=word]"), "two")
    assert page.evaluate("document.querySelector('#more').open")
    assert page.input_value("#note") == "typed"
    assert page.input_value("#long") == "typed too"
    assert page.evaluate("[document.activeElement.id, document.activeElement.selectionStart]") == ["long", 2]
    assert page.locator("p.tone-two").count() == 1


def test_filters_follow_the_answer_when_they_say_so(pages: Pages, page: Page) -> None:
    def form(checked: str, word: str) -> str:
        return (
            '<section id="fleet" hx-ext="sse, patch" sse-connect="/stream?channel=a" hx-get="/part" hx-swap="patch" '
            f'hx-trigger="live:reread from:body"><input type="checkbox" id="box" data-follow {checked}>'
            f'<input id="search" data-follow value="{word}"><b>{word}</b></section>'
        )

    opened(pages, page, form("", "none"))
    page.check("#box")
    page.fill("#search", "typing")
    reread(pages, page, form("", "cleared"))
    eventually(lambda: page.text_content("b"), "cleared")
    assert not page.is_checked("#box")
    assert page.input_value("#search") == "typing"  # it has the focus


@pytest.mark.parametrize("has_move_before", [True, False])
def test_a_table_read_again_moves_inserts_and_removes_rows_by_id(pages: Pages, page: Page, has_move_before: bool) -> None:
    if not has_move_before:
        page.add_init_script("delete Element.prototype.moveBefore")
    opened(pages, page, table(row("a"), row("b"), row("c"), row("d")))
    page.check("#select-b")
    page.focus("#stop-c")
    page.evaluate("document.querySelectorAll('tr').forEach(node => { node.known = true })")
    reread(pages, page, table(row("d"), row("c"), row("new"), row("b", "stopped")))
    eventually(lambda: names(page), ["d", "c", "new", "b"])
    assert page.eval_on_selector_all("#rows > tr", "rows => rows.map(row => row.known === true)") == [True, True, False, True]
    assert page.is_checked("#select-b")
    assert focused(page) == "stop-c"
    assert state(page, "b") == "stopped"


@pytest.mark.parametrize(
    "order",
    [
        ["e", "a", "b", "c", "d"],
        ["b", "c", "d", "e", "a"],
        ["e", "d", "c", "b", "a"],
        ["c", "x", "a", "y"],
        ["z"],
        ["a", "b", "c", "d", "e"],
    ],
)
def test_any_order_is_reached(pages: Pages, page: Page, order: list[str]) -> None:
    opened(pages, page, table(*(row(name) for name in "abcde")))
    reread(pages, page, table(*(row(name) for name in order)).replace('id="table"', 'id="table" data-read="1"'))
    page.wait_for_selector("[data-read]")
    assert names(page) == order


def test_new_rows_hear_the_stream_at_once_and_removed_ones_are_forgotten(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a"), row("b")))
    page.evaluate("""() => {
        const heard = name => htmx.createEventSource('/stream?channel=a')._listeners.get('row.' + name)?.size || 0;
        window.heard = {};
        for (const moment of ['htmx:afterSwap', 'htmx:load'])
            document.addEventListener(moment, () => { window.heard[moment] = ['a', 'b', 'new'].map(heard) });
    }""")
    reread(pages, page, table(row("b"), row("new")))
    # htmx initialises new elements when they have settled, 20 ms after the swap: what is said in between must not be lost.
    eventually(lambda: page.evaluate("window.heard"), {"htmx:afterSwap": [0, 1, 1], "htmx:load": [0, 1, 1]})
    pages.say("row.new", row("new", "pending"))
    eventually(lambda: state(page, "new"), "pending")


def test_an_element_that_htmx_initialises_again_is_swapped_once(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a"), trigger="live:reread from:body, sse:news"))
    page.evaluate("() => { window.settled = 0; document.addEventListener('htmx:afterSettle', () => { settled += 1 }) }")
    for number in range(3):
        reread(pages, page, table(row("a"), trigger="live:reread from:body, sse:news").replace("/part", f"/part?{number}"))
        eventually(lambda: page.evaluate("settled"), number + 1)
        assert page.get_attribute("#fleet", "hx-get") == f"/part?{number}"
    reads = pages.reads
    pages.say("news")
    eventually(lambda: pages.reads, reads + 1)
    assert page.evaluate("htmx.createEventSource('/stream?channel=a')._listeners.get('news').size") == 1
    assert len(pages.connections) == 1


def test_other_channels_are_followed_without_a_gap(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a")))
    pages.holding = "/stream"
    reread(pages, page, table(row("a"), row("b"), channels="a&amp;channel=b"))
    eventually(lambda: queries(pages), ["channel=a&channel=b"])
    # The former channels are heard until the new ones are there.
    pages.say("row.a", row("a", "stopping"))
    eventually(lambda: state(page, "a"), "stopping")
    assert pages.reads == 1
    # What happened to b until then, nobody told the page: it reads again.
    pages.part = table(row("a", "stopping"), row("b", "pending"), channels="a&amp;channel=b")
    pages.held[0].release()
    eventually(lambda: [connection.query for connection in pages.connections], ["channel=a&channel=b"])
    eventually(lambda: state(page, "b"), "pending")
    for name in ("a", "b"):
        pages.say(f"row.{name}", row(name, "stopped"))
        eventually(lambda name=name: state(page, name), "stopped")
    assert pages.reads == 2
    assert page.get_attribute("#live-badge", "data-state") == "connected"


def test_the_same_channels_in_another_order_are_the_same_connection(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a"), row("b"), channels="a&amp;channel=b"))
    reread(pages, page, table(row("b"), row("a"), channels="b&amp;channel=a"))
    eventually(lambda: names(page), ["b", "a"])
    pages.say("row.b", row("b", "stopped"))
    eventually(lambda: state(page, "b"), "stopped")
    assert pages.streams == 1


def test_the_focus_moves_to_the_successor_of_an_element_that_had_to_go(pages: Pages, page: Page) -> None:
    def panel(inner: str) -> str:
        return f'<div id="panel" sse-swap="panel" hx-swap="patch">{inner}</div>'

    opened(
        pages, page, f'<main hx-ext="sse, patch" sse-connect="/stream?channel=a">{panel("<p><a id=go href=#>x</a></p>")}</main>'
    )
    page.focus("#go")
    pages.say("panel", panel("<div><button id=go>x</button></div>"))
    page.wait_for_selector("button#go")
    assert focused(page) == "go"


def test_an_answer_without_elements_empties_nothing(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a")))
    pages.say("row.a", "")
    pages.say("row.a", row("a", "stopped"))
    eventually(lambda: state(page, "a"), "stopped")


def test_markup_from_outside_stays_text(pages: Pages, page: Page) -> None:
    opened(pages, page, table(row("a")))
    pages.say("row.a", row("a", "&lt;img src=x onerror=alert(1)&gt;"))
    eventually(lambda: state(page, "a"), "<img src=x onerror=alert(1)>")
    assert page.locator("img").count() == 0
