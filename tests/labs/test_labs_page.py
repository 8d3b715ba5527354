"""The labs page as people meet it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from labs.listing import LabsQuery
from labs.models import Lab, LabsCheck
from tests.conftest import signed_in
from tests.labs.makers import make_lab
from tests.makers import make_worker

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def text(browser: Client, address: str = "/labs/", **headers: str) -> str:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def titles(browser: Client, query: str = "") -> list[str]:
    """The labs of the page, in order."""
    return re.findall(r"data-row-link>([^<]+)</a>", text(browser, f"/labs/{query}"))


def test_the_page_shows_every_fact_of_a_lab(uma: User) -> None:
    worker = make_worker(
        name="ccnp-encor-01", region="eu-central-1", labs_succeeded_at=timezone.now() - timedelta(minutes=7, seconds=5)
    )
    make_lab(
        worker,
        title="ENCOR: OSPF",
        description="Three areas and a stub",
        state="STARTED",
        owner_username="ana",
        owner_fullname="Ana Sousa",
        nodes_running=4,
        node_count=9,
        cml_modified_at=timezone.now() - timedelta(hours=5),
    )

    page = text(signed_in(uma))

    for word in (
        "ENCOR: OSPF",
        "Three areas and a stub",
        "Running",
        "ccnp-encor-01",
        "eu-central-1",
        "ana",
        "Ana Sousa",
        "5 h ago",
    ):
        assert word in page
    assert '4<span class="of"> / 9</span>' in page
    assert ">7 min ago<" in page


def test_htmx_gets_the_part_and_everybody_else_the_page(uma: User) -> None:
    make_lab()
    browser = signed_in(uma)

    assert text(browser).count("<html") == 1
    assert "<html" not in text(browser, **HTMX)
    assert "HX-Request" in browser.get("/labs/")["Vary"]


@pytest.mark.parametrize("words", ["ospf", "ANA", "sousa", "stub area", "iosxrv", "encor-01", "ospf iosxrv ana"])
def test_search_finds_title_owner_description_node_definition_and_worker(words: str, uma: User) -> None:
    make_lab(
        make_worker(name="ccnp-encor-01"),
        title="OSPF",
        owner_username="ana",
        owner_fullname="Ana Sousa",
        description="A stub area",
        node_definitions="\nalpine\niosxrv9000\n",
    )
    make_lab(title="BGP")

    assert titles(signed_in(uma), f"?q={words}") == ["OSPF"]


@pytest.fixture
def fleet() -> dict[str, Lab]:
    """A lab for each thing that can be seen of one."""
    here, there = make_worker(name="alpha", region="us-east-1"), make_worker(name="beta", region="eu-central-1")
    off = make_worker(name="off", machine_state="stopped", service_state="unknown")
    dead = make_worker(name="dead", machine_state="terminated", service_state="unknown")
    return {
        "running": make_lab(here, title="running", state="STARTED", owner_username="ana", nodes_running=2),
        "stopped": make_lab(there, title="stopped", owner_username="kim"),
        "defined": make_lab(there, title="defined", state="DEFINED_ON_CORE", owner_username=""),
        "other": make_lab(here, title="other", state="", state_text="HIBERNATING"),
        "away": make_lab(off, title="away", state="STARTED", nodes_running=2),
        "gone": make_lab(here, title="gone", gone_at=timezone.now()),
        "dead": make_lab(dead, title="dead", state="STARTED"),
        "orphan": make_lab(here, title="orphan", worker=None, worker_name="alpha"),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["away", "defined", "other", "running", "stopped"]),
        ("?gone=1", ["away", "dead", "defined", "gone", "orphan", "other", "running", "stopped"]),
        ("?state=running", ["running"]),
        ("?state=running&state=stopped", ["running", "stopped"]),
        ("?state=away", ["away"]),
        ("?state=other", ["other"]),
        ("?state=gone", ["dead", "gone", "orphan"]),
        ("?owner=ana&owner=kim", ["running", "stopped"]),
        ("?owner=-", ["defined"]),
        ("?region=eu-central-1", ["defined", "stopped"]),
        ("?region=eu-central-1&state=running", []),
        ("?state=nonsense&sort=nonsense&size=7&page=oops&worker=oops", ["away", "defined", "other", "running", "stopped"]),
        ("?sort=-title", ["stopped", "running", "other", "defined", "away"]),
        ("?sort=worker", ["other", "running", "defined", "stopped", "away"]),
        ("?sort=-nodes", ["away", "running", "defined", "other", "stopped"]),
        ("?sort=state", ["running", "stopped", "defined", "other", "away"]),
        ("?sort=-state&gone=1", ["dead", "gone", "orphan", "away", "other", "defined", "stopped", "running"]),
        ("?sort=owner", ["defined", "running", "stopped", "away", "other"]),
        ("?sort=age", ["away", "defined", "other", "running", "stopped"]),
        ("?q=%00run", ["running"]),
    ],
)
def test_filters_and_orders(query: str, expected: list[str], fleet: dict[str, Lab], uma: User) -> None:
    assert titles(signed_in(uma), query) == expected


def test_one_worker_can_be_asked_for_and_is_a_chip(fleet: dict[str, Lab], uma: User) -> None:
    browser = signed_in(uma)
    beta = fleet["stopped"].worker

    page = text(browser, f"/labs/?worker={beta.pk}&q=e")

    assert titles(browser, f"?worker={beta.pk}&q=e") == ["defined", "stopped"]
    assert "Worker: beta" in page
    assert "“e”" in page


def test_tiles_count_what_the_rows_show(fleet: dict[str, Lab], uma: User) -> None:
    counts = Lab.objects.all().counts()

    assert counts == {"running": 1, "stopped": 1, "defined": 1, "other": 1, "away": 1, "gone": 3}
    for lab in Lab.objects.select_related("worker"):
        assert Lab.objects.with_standing().get(pk=lab.pk, shown_as=lab.standing.value) == lab, "the database says the same"
    assert titles(signed_in(uma), "?state=away") == ["away"]
    page = text(signed_in(uma), "/labs/?state=away")
    assert "was running" in page
    assert "Worker off" in page


def test_groups_have_their_worker_as_heading(fleet: dict[str, Lab], uma: User) -> None:
    page = text(signed_in(uma), "/labs/?group=worker&sort=-title")

    groups = re.findall(r'class="group"[^>]*>\s*<th[^>]*><a href="[^"]+">([^<]+)</a>', page)
    assert groups == ["alpha", "beta", "off"]
    assert titles(signed_in(uma), "?group=worker&sort=-title") == ["running", "other", "stopped", "defined", "away"]
    assert "2 on this page, 1 running" in page


def test_pages_cost_the_same_queries_however_many_labs_there_are(uma: User) -> None:
    browser = signed_in(uma)

    def queries(count: int) -> int:
        for number in range(count):
            make_lab(title=f"lab {number}")
        with CaptureQueriesContext(connection) as captured:
            text(browser, "/labs/?size=25&group=worker")
        return len(captured)

    assert queries(3) == queries(40)
    page = text(browser, "/labs/?size=25&page=2&state=stopped")
    assert "26–43 of 43 labs" in page
    assert 'href="?state=stopped&amp;size=25"' in page


def test_the_picture_of_a_lab_is_not_read_for_a_list(uma: User) -> None:
    make_lab()

    with CaptureQueriesContext(connection) as captured:
        text(signed_in(uma))

    assert not any('"topology"' in query["sql"] or '"notes"' in query["sql"] for query in captured)


@pytest.mark.parametrize(
    ("query", "labs", "words"),
    [("", 0, "No labs yet"), ("?q=zzz", 1, "Clear the filters"), ("?q=zzz", 0, "No labs yet")],
)
def test_an_empty_list_says_why_and_what_to_do(query: str, labs: int, words: str, uma: User) -> None:
    for _ in range(labs):
        make_lab()

    assert words in text(signed_in(uma), f"/labs/{query}")


def test_all_gone_is_said(uma: User) -> None:
    make_lab(gone_at=timezone.now())

    assert "tick “Show gone”" in text(signed_in(uma))


def test_workers_whose_labs_cannot_be_read_are_named_with_the_reason(uma: User) -> None:
    browser = signed_in(uma)
    for number in range(5):
        lab = make_lab(make_worker(name=f"worker-{number}"))
        LabsCheck.objects.create(worker=lab.worker, failing_since=timezone.now(), error="CML <b>took</b> too long.")
        page = text(browser)
        assert "CML &lt;b&gt;took&lt;/b&gt; too long." in page
    assert "The labs of 5 workers cannot be read" in page


def test_the_stream_is_asked_for_the_rows_of_the_page(uma: User) -> None:
    lab = make_lab()

    page = text(signed_in(uma))

    assert f"channel=labs&amp;channel=lab.{lab.pk}" in page
    assert f'sse-swap="lab.{lab.pk}"' in page


def test_links_keep_the_rest_of_the_view() -> None:
    query = LabsQuery.parse(QueryDict("q=ospf&state=running&owner=ana&group=worker&sort=-nodes&size=25&page=3&gone=1"))

    assert query.url(page=4) == "?q=ospf&state=running&owner=ana&gone=1&group=worker&sort=-nodes&size=25&page=4"
    assert query.url(states=()) == "?q=ospf&owner=ana&gone=1&group=worker&sort=-nodes&size=25"
    assert query.clear_url() == "?gone=1&group=worker&sort=-nodes&size=25"


def test_the_header_leads_to_the_page(uma: User, noah: User) -> None:
    assert 'href="/labs/"' in text(signed_in(uma), "/")
    assert 'href="/labs/"' not in signed_in(noah).get("/account/").content.decode()


def test_news_reaches_open_pages_once_committed(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    from labs import events

    sent: list[Any] = []
    monkeypatch.setattr(events, "publish", sent.extend)
    lab, other = make_lab(title="<b>bold</b>"), make_lab()

    with django_capture_on_commit_callbacks(execute=True):
        events.announce_labs([lab.pk, other.pk, lab.pk])
        events.announce_membership(worker_id=lab.worker.pk)
        events.announce_checked(worker_ids=[lab.worker.pk], at=timezone.now())
        assert sent == []

    by_type = {message.type: message for message in sent}
    assert by_type[lab.row_id].channel == lab.row_id
    assert "&lt;b&gt;bold" in by_type[lab.row_id].data
    assert f"worker.{lab.worker.pk}" in {message.channel for message in sent if message.type == "worker.labs"}
    assert by_type["labs.changed"].channel == "labs"
    assert str(lab.worker.pk) in by_type["checked"].data
