"""Pages whose session is about to end, has ended, or may do less than before: real browser, real web process, shortened times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.live.conftest import BROKEN_ON_PURPOSE
from tests.live.portal import COOKIE, Portal
from tests.redis_server import RedisServer

pytestmark = pytest.mark.browser
STREAM = "**/api/events/stream*"
PASSWORD = "a-long-password"
# A session without use lasts so long in `hasty`, and is warned of in its second half.
IDLE = 16

PEOPLE = """
from django.contrib.auth.models import Group
from django.test import Client
from accounts.models import User
from tests.makers import make_worker
from workers.models import Worker
for name, role in {people!r}:
    person, _ = User.objects.get_or_create(username=name)
    person.set_password("a-long-password")
    person.save()
    person.groups.set([Group.objects.get(name=role)])
    client = Client()
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer[name] = client.session.session_key
answer["worker"] = str((Worker.objects.first() or make_worker(name="lab-one", machine_state="stopped")).pk)
"""
END = "from accounts.models import SignIn\nSignIn.objects.filter(user__username={name!r}).delete()"
DEMOTE = (
    "from django.contrib.auth.models import Group\nfrom accounts.models import User\n"
    "User.objects.get(username={name!r}).groups.set([Group.objects.get(name='user')])"
)


@pytest.fixture(scope="module")
def valkey() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


def started(folder, valkey: RedisServer, **environment: str) -> Portal:  # type: ignore[no-untyped-def]
    portal = Portal(folder, valkey.url)
    portal.environment |= environment
    portal.migrate()
    portal.start()
    return portal


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer) -> Iterator[Portal]:
    portal = started(tmp_path_factory.mktemp("portal"), valkey)
    yield portal
    portal.kill()


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer) -> Iterator[Portal]:
    """A portal whose sessions end after seconds without use."""
    portal = started(tmp_path_factory.mktemp("hasty"), valkey, TEST_SESSION_IDLE_SECONDS=str(IDLE))
    yield portal
    portal.kill()


@pytest.fixture
def browser_of(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """A browser in which somebody is signed in anew; what its pages write as errors fails the test, but for what tests break."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def sign_in(portal: Portal, name: str, role: str = "user") -> BrowserContext:
        keys = portal.run(PEOPLE.format(people=[(name, role)]))
        context = chromium.new_context()
        contexts.append(context)
        context.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.add_cookies([{"name": COOKIE, "value": keys[name], "url": portal.url}])
        context.worker = keys["worker"]  # type: ignore[attr-defined]
        return context

    yield sign_in
    for context in contexts:
        context.close()
    assert [error for error in errors if not any(word in error for word in (*BROKEN_ON_PURPOSE, "htmx:"))] == []


def opened(context: BrowserContext, portal: Portal, path: str = "/", *, live: bool = True) -> Page:
    page = context.new_page()
    page.goto(portal.url + path)
    if live:
        expect(page.locator("#live-badge[data-state=connected]")).to_have_count(1, timeout=15_000)
    return page


def banner(page: Page, kind: str):  # type: ignore[no-untyped-def]
    return page.locator(f'#session-banner [data-when="{kind}"]')


def expect_over(page: Page, seconds: float = 10) -> None:
    expect(banner(page, "over")).to_be_visible(timeout=seconds * 1000)
    expect(banner(page, "over")).to_contain_text("You are signed out")
    assert page.evaluate("document.getElementById('main').inert") is True


def sign_in_again(page: Page, name: str) -> None:
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")


def test_a_page_whose_session_was_ended_says_so_asks_for_no_stream_any_more_and_leads_back(
    portal: Portal, browser_of: Callable[..., BrowserContext]
) -> None:
    context = browser_of(portal, "ended")
    tabs = [opened(context, portal, "/?state=running"), opened(context, portal, "/labs/")]
    without_stream = opened(context, portal, "/account/", live=False)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))

    portal.run(END.format(name="ended"))

    for page in tabs:
        expect_over(page)
        expect(page.locator("#live-badge")).to_have_attribute("data-state", "signed-out")
        assert page.title().startswith("(signed out)")
    expect_over(without_stream)  # told by the others
    asked.clear()
    # Longer than any of the delays after which a lost stream is asked for, and than the fleet's own polls of five seconds.
    tabs[0].wait_for_timeout(12_000)
    assert [url for url in asked if "/api/events/stream" in url] == []
    assert asked == []

    link = banner(tabs[0], "over").get_by_role("link")
    link.focus()
    tabs[0].keyboard.press("Enter")
    expect(tabs[0]).to_have_url(re.compile("/sign-in/"))
    sign_in_again(tabs[0], "ended")
    expect(tabs[0]).to_have_url(f"{portal.url}/?state=running")
    # Back at the other tab, its person is there again.
    tabs[1].evaluate("window.dispatchEvent(new Event('focus'))")
    expect(banner(tabs[1], "over")).to_be_hidden()
    expect(tabs[1].locator("#live-badge[data-state=connected]")).to_have_count(1, timeout=15_000)


def test_who_signs_out_in_one_tab_is_signed_out_in_all(portal: Portal, browser_of: Callable[..., BrowserContext]) -> None:
    context = browser_of(portal, "leaves")
    others = [opened(context, portal), opened(context, portal, "/account/tokens/", live=False)]
    leaving = opened(context, portal, "/account/", live=False)
    leaving.locator("details.menu > summary").last.click()
    leaving.get_by_role("button", name="Sign out").click()
    expect(leaving).to_have_url(f"{portal.url}/sign-in/")
    for page in others:
        expect_over(page)


def test_a_press_after_the_end_leads_to_sign_in_and_back_to_the_same_page(
    portal: Portal, browser_of: Callable[..., BrowserContext]
) -> None:
    context = browser_of(portal, "presses")
    context.route(STREAM, lambda route: route.abort())  # nobody tells the page before the press
    page = opened(context, portal, "/?q=lab", live=False)
    page.evaluate("window.stillTheSamePage = true")
    portal.run(END.format(name="presses"))

    page.locator("#fleet thead a").first.click()

    expect(page).to_have_url(re.compile(r"/sign-in/\?next="))
    sign_in_again(page, "presses")
    expect(page).to_have_url(f"{portal.url}/?q=lab")
    expect(page.locator("#fleet tbody a", has_text="lab-one").first).to_be_visible()


@pytest.mark.slow
def test_before_a_session_ends_one_press_keeps_it_in_all_tabs(hasty: Portal, browser_of: Callable[..., BrowserContext]) -> None:
    context = browser_of(hasty, "stays")
    page, other = opened(context, hasty), opened(context, hasty, "/account/", live=False)
    for tab in (page, other):
        expect(banner(tab, "idle")).to_be_visible(timeout=IDLE * 1000)
    expect(banner(page, "idle")).to_contain_text(re.compile(r"You will be signed out in \d+ seconds?"))
    expect(page.locator("#announce")).to_contain_text("Stay signed in: a button at the top of the page.")

    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")  # the link that skips to the content
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Stay signed in"
    page.keyboard.press("Enter")

    for tab in (page, other):
        expect(banner(tab, "idle")).to_be_hidden()
    expect(page.locator("#announce")).to_contain_text("You stay signed in.")
    # Without the press it would be over by the time that the next warning comes.
    for tab in (page, other):
        expect(banner(tab, "idle")).to_be_visible(timeout=IDLE * 1000)
        expect(banner(tab, "over")).to_be_hidden()
    page.reload()
    expect(page).to_have_url(f"{hasty.url}/")


@pytest.mark.slow
def test_a_page_that_only_reads_itself_does_not_keep_its_session(
    hasty: Portal, browser_of: Callable[..., BrowserContext]
) -> None:
    context = browser_of(hasty, "sleeps")
    page = opened(context, hasty)
    polls: list[Request] = []
    page.on("request", lambda request: polls.append(request) if request.headers.get("hx-request") else None)
    page.evaluate("setInterval(() => document.dispatchEvent(new CustomEvent('live:behind', {detail: {within: 0}})), 1000)")
    expect_over(page, IDLE * 2)
    assert len(polls) > 3
    assert {request.headers.get("x-unattended") for request in polls} == {"1"}


@pytest.mark.slow
def test_what_somebody_does_in_one_tab_keeps_the_others_from_warning(
    hasty: Portal, browser_of: Callable[..., BrowserContext]
) -> None:
    context = browser_of(hasty, "works")
    idle, busy = opened(context, hasty), opened(context, hasty)
    expect(banner(idle, "idle")).to_be_visible(timeout=IDLE * 1000)
    busy.locator("#fleet thead a").first.click()
    for tab in (idle, busy):
        expect(banner(tab, "idle")).to_be_hidden()
        expect(banner(tab, "over")).to_be_hidden()


def test_the_page_of_somebody_demoted_loses_the_buttons_that_they_may_no_longer_press(
    portal: Portal, browser_of: Callable[..., BrowserContext]
) -> None:
    context = browser_of(portal, "demoted", "manager")
    page = opened(context, portal, f"/workers/{context.worker}/")  # type: ignore[attr-defined]
    stop = page.get_by_role("button", name=re.compile("^(Stop|Start)"))
    expect(stop.first).to_be_visible()

    portal.run(DEMOTE.format(name="demoted"))

    expect(stop).to_have_count(0, timeout=10_000)
    expect(page.locator("#live-badge[data-state=connected]")).to_have_count(1, timeout=15_000)


@pytest.mark.slow
def test_somebody_demoted_while_typing_keeps_what_they_typed_and_is_told(
    portal: Portal, browser_of: Callable[..., BrowserContext]
) -> None:
    context = browser_of(portal, "types", "manager")
    page = opened(context, portal)
    page.locator("#q").fill("lab-o")
    page.evaluate("window.stillTheSamePage = true")

    portal.run(DEMOTE.format(name="types"))

    expect(banner(page, "powers")).to_be_visible(timeout=10_000)
    assert page.evaluate("window.stillTheSamePage") is True
    assert page.locator("#q").input_value() == "lab-o"
    banner(page, "powers").get_by_role("link", name="Reload").click()
    page.wait_for_function("window.stillTheSamePage === undefined")


@pytest.mark.slow
def test_who_lost_every_role_sees_the_page_that_says_whom_to_ask(
    portal: Portal, browser_of: Callable[..., BrowserContext]
) -> None:
    context = browser_of(portal, "out")
    page = opened(context, portal)
    portal.run("from accounts.models import User\nUser.objects.get(username='out').groups.clear()")
    expect(page.get_by_role("heading", name="You are signed in, but have no role yet")).to_be_visible(timeout=10_000)


@pytest.mark.slow
def test_a_press_that_the_role_does_not_allow_any_more_is_refused_and_said(
    portal: Portal, browser_of: Callable[..., BrowserContext]
) -> None:
    context = browser_of(portal, "refused", "manager")
    context.route(STREAM, lambda route: route.abort())
    page = opened(context, portal, f"/workers/{context.worker}/", live=False)  # type: ignore[attr-defined]
    button = page.get_by_role("button", name=re.compile("^Start"))
    expect(button.first).to_be_visible()
    portal.run(DEMOTE.format(name="refused"))
    button.first.click()
    expect(banner(page, "refused")).to_be_visible()
    operations = portal.run("from workers.models import Operation\nanswer['count'] = Operation.objects.count()")
    assert operations["count"] == 0
