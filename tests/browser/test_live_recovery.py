"""Open pages through every bad day: right again within ten seconds of the path being back, and honest in between.

Real processes throughout: Chromium, a TCP proxy before the portal's web process, Valkey. Times are shortened by settings: with a
heartbeat each second a page is stale after three seconds instead of thirty, so that twenty are as long as three minutes and more.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.live.crew import Crew
from tests.live.portal import COOKIE, Portal, until
from tests.live.wire import Wire
from tests.redis_server import RedisServer
from tests.sandbox_process import running_sandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
WITHIN = 10_000  # of the path being back

PEOPLE = """
from django.contrib.auth.models import Group
from django.test import Client
from accounts.models import User
from tests.makers import make_worker
person = User.objects.create_user(username="viewer", password="a-long-password")
person.groups.add(Group.objects.get(name="user"))
client = Client()
client.force_login(person)
answer["session"] = client.session.session_key
answer["worker"] = str(make_worker(name="away-01").pk)
"""


@pytest.fixture(scope="module")
def valkey() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer) -> Iterator[Portal]:
    portal = Portal(tmp_path_factory.mktemp("portal"), valkey.url)
    portal.environment["HEARTBEAT_INTERVAL"] = "1"
    portal.migrate()
    portal.start()
    yield portal
    portal.kill()


@pytest.fixture(scope="module")
def facts(portal: Portal) -> dict[str, str]:
    return portal.run(PEOPLE)


@pytest.fixture(scope="module")
def crew(portal: Portal, facts: dict[str, str]) -> Iterator[Crew]:
    crew = Crew(portal)
    yield crew
    crew.stop()


@pytest.fixture
def wire(portal: Portal) -> Iterator[Wire]:
    wire = Wire(portal.port)
    wire.start()
    yield wire
    wire.stop()


@pytest.fixture
def context(chromium: Browser, wire: Wire, facts: dict[str, str]) -> Iterator[BrowserContext]:
    context = chromium.new_context()
    context.add_cookies([{"name": COOKIE, "value": facts["session"], "url": wire.url}])
    yield context
    context.close()


@pytest.fixture
def pages(context: BrowserContext, wire: Wire, crew: Crew, facts: dict[str, str]) -> list[Page]:
    """The fleet and the worker's own page, both live and showing what is."""
    crew.change("away-01", machine_state="running")
    opened = []
    for path in ("/", f"/workers/{facts['worker']}/"):
        page = context.new_page()
        page.goto(wire.url + path)
        expect_state(page, "connected")
        expect(machine(page)).to_contain_text("Running")
        page.evaluate("window.stillTheSamePage = true")
        opened.append(page)
    return opened


def expect_state(page: Page, *states: str, timeout: float = 15_000) -> None:
    """The badge comes to one of `states`."""
    selector = ", ".join(f'#live-badge[data-state="{state}"]' for state in states)
    expect(page.locator(selector)).to_have_count(1, timeout=timeout)


def machine(page: Page):  # type: ignore[no-untyped-def]
    return page.locator("[data-part=machine], [data-part=fact-machine]").first


def expect_right(pages: list[Page], word: str) -> None:
    """All of them show `word` and say that they are live, within the time, without having been loaded again."""
    back = time.monotonic()
    for page in pages:
        left = max(1.0, WITHIN - (time.monotonic() - back) * 1000)
        expect(machine(page)).to_contain_text(word, timeout=left)
        expect_state(page, "connected", timeout=max(1.0, WITHIN - (time.monotonic() - back) * 1000))
        assert page.evaluate("window.stillTheSamePage") is True
        assert not page.title().startswith("(stale)")
        assert not page.title().startswith("(disconnected)")


@pytest.mark.parametrize("away", [2, 6, pytest.param(25, marks=pytest.mark.slow)])
def test_redis_gone_and_back_with_its_data_lost(pages: list[Page], valkey: RedisServer, crew: Crew, away: int) -> None:
    valkey.kill()
    gone = time.monotonic()
    assert crew.change("away-01", machine_state="stopped") < 2  # news that nobody hears neither fails nor delays the work
    if away > 3:
        for page in pages:
            expect_state(page, "stale")
            expect(page).to_have_title("(stale) " + page.title().removeprefix("(stale) "))
            assert "stale" in str(page.get_attribute("link[rel=icon]", "href"))
    time.sleep(max(0.0, away - (time.monotonic() - gone)))  # the outage's own length

    valkey.start()

    expect_right(pages, "Stopped")
    crew.change("away-01", machine_state="stopping")
    expect_right(pages, "Stopping")


def test_the_web_process_gone_and_back(pages: list[Page], portal: Portal, crew: Crew) -> None:
    portal.kill()
    for page in pages:
        expect_state(page, "reconnecting", "disconnected")
    crew.change("away-01", machine_state="stopped")

    portal.start()

    expect_right(pages, "Stopped")


def test_a_page_left_open_through_a_redis_outage_and_a_web_restart(
    pages: list[Page], valkey: RedisServer, portal: Portal, crew: Crew
) -> None:
    valkey.kill()
    portal.stop()
    crew.change("away-01", machine_state="stopped")
    portal.start()  # before Redis
    for page in pages:
        expect(machine(page)).to_contain_text("Stopped", timeout=WITHIN)
        expect_state(page, "stale")
    crew.change("away-01", machine_state="terminated")

    valkey.start()

    expect_right([pages[1]], "Terminated")
    expect(pages[0].locator("#fleet tbody tr")).to_have_count(0)


def test_a_proxy_that_closes_connections(pages: list[Page], wire: Wire, crew: Crew) -> None:
    crew.change("away-01", machine_state="stopping")
    wire.cut()
    crew.change("away-01", machine_state="stopped")

    expect_right(pages, "Stopped")


@pytest.mark.slow
def test_a_network_that_changed_without_a_word(pages: list[Page], wire: Wire, crew: Crew) -> None:
    wire.swallow()
    crew.change("away-01", machine_state="stopped")
    for page in pages:
        expect_state(page, "stale", "reconnecting", "disconnected")
        expect(machine(page)).to_contain_text("Running")
    # What asked before it was known hangs for good; new attempts are made all the same.
    for page in pages:
        expect_state(page, "reconnecting", "disconnected", timeout=20_000)

    wire.heal()

    expect_right(pages, "Stopped")


def test_offline_and_online(pages: list[Page], context: BrowserContext, crew: Crew) -> None:
    context.set_offline(True)
    for page in pages:
        expect_state(page, "disconnected")
        assert page.title().startswith("(disconnected) ")
    crew.change("away-01", machine_state="stopped")

    context.set_offline(False)

    expect_right(pages, "Stopped")


@pytest.fixture
def asleep(chromium: Browser) -> Iterator[Callable[[bool], None]]:
    """Stops every process of the browser, as a closed lid does, and lets them go on."""
    session = chromium.new_browser_cdp_session()
    pids = [process["id"] for process in session.send("SystemInfo.getProcessInfo")["processInfo"]]

    def sleep(on: bool) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP if on else signal.SIGCONT)

    yield sleep
    sleep(False)


@pytest.mark.slow
def test_a_laptop_asleep_while_its_connections_die(
    pages: list[Page], wire: Wire, crew: Crew, asleep: Callable[[bool], None]
) -> None:
    asleep(True)
    wire.swallow()
    crew.change("away-01", machine_state="stopped")
    time.sleep(5)  # the sleep's own length
    wire.heal()

    asleep(False)

    expect_right(pages, "Stopped")


def test_signing_out_in_one_tab_is_seen_in_the_others_at_once(pages: list[Page], portal: Portal, facts: dict[str, str]) -> None:
    fleet, worker = pages
    worker.locator("details.menu summary").last.click()
    worker.locator("form[data-signs-out] button").click()
    worker.wait_for_url("**/sign-in/**")

    expect_state(fleet, "signed-out", timeout=8_000)
    assert fleet.title().startswith("(signed out) ")
    assert "next=" in str(fleet.locator("#live-badge a").get_attribute("href"))
    until(lambda: portal.get(facts["session"], "?channel=fleet").status_code == 401, "the session is gone")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_whole_portal_with_its_beat_and_celery_comes_back_by_itself(
    tmp_path_factory: pytest.TempPathFactory, chromium: Browser
) -> None:
    """Redis and the web process are killed in a running sandbox, whose supervisor starts them again."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "var", HEARTBEAT_INTERVAL="2") as sandbox:
        page = chromium.new_page()
        page.goto(f"{sandbox.url}/sign-in/")
        page.fill("input[name=login]", "user")
        page.fill("input[name=password]", "test")
        page.press("input[name=password]", "Enter")
        page.wait_for_url(f"{sandbox.url}/")
        expect_state(page, "connected", timeout=40_000)
        page.evaluate("window.stillTheSamePage = true")
        instance = sandbox.instance_id("ccna-evening")
        pids = sandbox.facts["pids"]
        for name in ("redis", "web"):
            os.kill(pids[name], signal.SIGKILL)
        sandbox.ec2().stop_instances(InstanceIds=[instance])

        row = page.locator("#fleet tbody tr", has_text="ccna-evening")
        expect(row).to_contain_text("Stopped", timeout=60_000)
        expect_state(page, "connected", timeout=WITHIN)
        assert page.evaluate("window.stillTheSamePage") is True
        page.close()
