"""A table like the fleet's, on the page that a test speaks to."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.live.pages import Pages, eventually


def row(name: str, state: str = "running", *, keep: bool = True, age: str = "2026-11-23T12:00:00Z") -> str:
    actions = f'<td data-part="actions" data-keep><button id="stop-{name}">Stop</button></td>' if keep else ""
    return (
        f'<tr id="row.{name}" sse-swap="row.{name}" hx-swap="patch" hx-target="this">\n'
        f'  <td data-part="select"><input type="checkbox" id="select-{name}"></td>\n'
        f'  <td data-part="name">{name}</td>\n  <td data-part="state"><span class="badge">{state}</span></td>\n'
        f'  <td data-part="age"><time data-age data-checked="cml:{name}" datetime="{age}">x</time></td>\n'
        f"  {actions}\n</tr>"
    )


def table(*rows: str, channels: str = "a", trigger: str = "live:reread from:body") -> str:
    return (
        f'<section id="fleet" hx-ext="sse, patch" sse-connect="/stream?channel={channels}" hx-get="/part" hx-swap="patch" '
        f'hx-trigger="{trigger}"><table id="table"><tbody id="rows">\n{"".join(rows)}\n</tbody></table></section>'
    )


def opened(pages: Pages, page: Page, body: str) -> None:
    pages.body = body
    page.goto(f"{pages.url}/page")
    pages.wait_for_streams(1)
    eventually(lambda: page.get_attribute("#live-badge", "data-state"), "connected")


def state(page: Page, name: str) -> Any:
    return page.text_content(f'[id="row.{name}"] [data-part=state]')


def reread(pages: Pages, page: Page, part: str) -> None:
    pages.part = part
    page.evaluate("document.body.dispatchEvent(new CustomEvent('live:reread'))")


def queries(pages: Pages) -> list[str]:
    """Of the requests whose answers are held."""
    return [held.query for held in pages.held]


def names(page: Page) -> Any:
    return page.eval_on_selector_all("#rows > tr", "rows => rows.map(row => row.id.slice(4))")
