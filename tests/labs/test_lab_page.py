"""One lab's page, the panel on its worker's page, and what hostile text does there: nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from labs.console import console_of
from labs.models import Lab, LabsCheck
from tests.conftest import signed_in
from tests.labs.makers import link, make_lab, node
from tests.makers import make_worker
from workers.models import Event, Operation

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
SCRIPT = "<script>alert(1)</script>"


def text(person: User, address: str, **headers: str) -> str:
    answer = signed_in(person).get(address, headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def page(person: User, lab: Lab, **headers: str) -> str:
    return text(person, lab.get_absolute_url(), **headers)


def test_the_page_shows_every_fact(uma: User) -> None:
    worker = make_worker(name="ccnp-encor-01", public_address="198.51.100.7", labs_succeeded_at=timezone.now())
    nodes = [
        node(1, label="edge-1", state="BOOTED", cpus=2, ram=4 << 30, node_definition="cat8000v"),
        node(2, label="host", cpus=None, ram=None, image_definition="", node_definition="alpine"),
    ]
    lab = make_lab(
        worker,
        title="ENCOR: OSPF",
        description="Three areas",
        notes="Start R1 first.",
        state="STARTED",
        owner_fullname="Mei Lin",
        nodes_running=1,
        topology={"nodes": nodes, "links": [link(*nodes, "STARTED")]},
        associations=[{"group_id": "x", "name": "students", "permission": "read_only"}],
    )

    shown = page(uma, lab)

    for word in (
        "ENCOR: OSPF",
        "Three areas",
        "Start R1 first.",
        "Running",
        "Mei Lin",
        "mei",
        "ccnp-encor-01",
        "students",
        lab.cml_id,
    ):
        assert word in shown
    for word in ("edge-1", "cat8000v", "iosv-159-3-m10", "4.0 GiB", "Booted", "Defined"):
        assert word in shown
    assert f'href="https://198.51.100.7/lab/{lab.cml_id}"' in shown
    assert "ssh USER@198.51.100.7" in shown
    assert "open /ENCOR: OSPF/edge-1/0" in shown
    assert "2 nodes, 1 link" in shown
    assert "<html" not in page(uma, lab, **HTMX)


def test_nodes_are_listed_as_people_count(uma: User) -> None:
    nodes = [node(n, label=f"R{n}") for n in (10, 2, 1)]

    shown = page(uma, make_lab(topology={"nodes": nodes, "links": []}))

    assert re.findall(r'<th scope="row">(R\d+)', shown) == ["R1", "R2", "R10"]


@pytest.mark.parametrize(
    ("worker", "fields", "words"),
    [
        ({}, {"gone_at": datetime(2026, 11, 20, tzinfo=UTC)}, "This lab is gone"),
        ({"machine_state": "stopped", "name": "ccna"}, {}, "ccna is stopped"),
        ({"machine_state": "terminated"}, {}, "The worker of this lab is gone"),
        ({}, {"topology": {}}, "CML has not told the portal how this lab looks"),
        ({}, {"topology": {}, "node_count": 0}, "This lab has no nodes"),
    ],
    ids=str,
)
def test_what_is_old_or_missing_is_said(worker: dict[str, str], fields: dict[str, Any], words: str, uma: User) -> None:
    assert words in page(uma, make_lab(make_worker(**worker), **fields))


def test_a_gone_lab_has_no_door_to_cml(uma: User) -> None:
    shown = page(uma, make_lab(gone_at=timezone.now()))

    assert "Open in CML" not in shown
    assert "ssh USER" not in shown


def test_the_history_tells_what_happened_and_who_did_it(uma: User, miguel: User) -> None:
    lab = make_lab()
    now = timezone.now()
    operation = Operation.objects.create(
        kind="start",
        worker=lab.worker,
        subject_id=lab.pk,
        subject_name=lab.title,
        slot=lab.slot,
        actor_kind="person",
        actor=miguel,
        actor_name="miguel",
        state="succeeded",
        sentence="The lab runs.",
        asked_at=now,
        finished_at=now,
        due_at=now,
    )
    about = {"worker": lab.worker, "subject_id": lab.pk, "subject_name": lab.title}
    person = {"actor_kind": "person", "actor": miguel, "actor_name": "miguel"}
    Event.objects.create(at=now, kind="operation.asked", operation=operation, after="Start", **about, **person)
    Event.objects.create(
        at=now + timedelta(seconds=1), kind="lab.state", before="Stopped", after="Running", actor_kind="cml", **about
    )
    Event.objects.create(
        at=now, kind="lab.renamed", subject_id=make_lab().pk, before="somebody", after="else", actor_kind="cml"
    )

    shown = page(uma, lab)

    assert shown.index("Lab state") < shown.index(">Asked</a>")
    assert "miguel" in shown
    assert operation.get_absolute_url() in shown
    assert "The lab runs." in shown
    assert "somebody" not in shown
    # The worker's own row says what is done to the worker, and its timeline which lab a line is about.
    assert Operation.objects.by_worker([lab.worker.pk]) == {}
    assert f"<strong>Lab state</strong> {lab.title}" in text(uma, lab.worker.get_absolute_url())


def test_a_long_history_has_pages_and_no_line_is_missing_between_them(uma: User) -> None:
    lab = make_lab()
    now = timezone.now()
    for number in range(40):  # in pairs of the same moment
        about = {"subject_id": lab.pk, "subject_name": lab.title, "worker": lab.worker}
        Event.objects.create(
            at=now + timedelta(seconds=number // 2), kind="lab.renamed", after=f"name-{number}.", actor_kind="cml", **about
        )
    found: list[str] = []
    address = lab.get_absolute_url()
    while address:
        shown = text(uma, address)
        found += re.findall(r"name-(\d+)\.", shown)
        more = re.search(r'class="more"><a href="([^"]+)">Older', shown)
        address = more.group(1) if more else ""

    assert found == [str(number) for number in reversed(range(40))]


def test_the_page_costs_the_same_however_large_the_lab_is(uma: User) -> None:
    def queries(count: int) -> int:
        lab = make_lab(topology={"nodes": [node(n) for n in range(count)], "links": []})
        with CaptureQueriesContext(connection) as captured:
            page(uma, lab)
        return len(captured)

    assert queries(2) == queries(60)


# ── The panel on the worker's page ─────────────────────────────────────────────────────────────────────────────────
def test_the_workers_page_loads_its_labs_by_their_own_address(uma: User) -> None:
    lab = make_lab(title="ENCOR: OSPF")
    make_lab(title="somewhere else")
    address = f"/workers/{lab.worker.pk}/labs/"

    assert f'hx-get="{address}"' in text(uma, lab.worker.get_absolute_url())
    assert f'href="{address}"' in text(uma, lab.worker.get_absolute_url())
    part, whole = text(uma, address, **HTMX), text(uma, address)

    for shown in (part, whole):
        assert "ENCOR: OSPF" in shown
        assert "somewhere else" not in shown
    assert "<html" not in part
    assert "<html" in whole


def test_the_panel_says_what_is_wrong_what_is_gone_and_what_is_not_there(uma: User) -> None:
    worker = make_worker(labs_succeeded_at=None)
    address = f"/workers/{worker.pk}/labs/"
    assert "have not been read yet" in text(uma, address)

    make_lab(worker, gone_at=timezone.now())
    LabsCheck.objects.create(worker=worker, failing_since=timezone.now(), error="CML took too long.")
    shown = text(uma, address)

    assert "1 lab that is gone" in shown
    assert "CML took too long." in shown


# ── Hostile text ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "field", ["title", "description", "notes", "owner_username", "owner_fullname", "state_text", "cml_id", "worker_name"]
)
def test_script_in_any_text_of_a_lab_is_shown_and_not_run(field: str, uma: User) -> None:
    state = {"state": ""} if field == "state_text" else {}
    worker = {"worker": None} if field == "worker_name" else {}
    lab = make_lab(make_worker(), **{field: SCRIPT, **state, **worker})

    for shown in (page(uma, lab), text(uma, "/labs/?gone=1&group=worker"), text(uma, f"/workers/{make_worker().pk}/labs/")):
        assert SCRIPT not in shown
        assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in page(uma, lab)


@pytest.mark.parametrize("field", ["label", "id", "node_definition", "image_definition", "state"])
def test_script_in_any_text_of_a_node_is_shown_and_not_run(field: str, uma: User) -> None:
    nodes = [node(1, **{field: SCRIPT + "\"'><svg onload=alert(1)>"}), node(2)]

    shown = page(uma, make_lab(topology={"nodes": nodes, "links": [link(*nodes, SCRIPT)]}))

    assert "<script>alert" not in shown
    assert "<svg onload" not in shown
    assert "&lt;svg onload" in shown


def test_notes_keep_their_lines_and_only_web_addresses_become_links(uma: User) -> None:
    lab = make_lab(
        notes="Line one\nline two https://example.com/a?b=1 javascript:alert(1) [x](javascript:alert(2)) <img src=x onerror=alert(3)>"
    )

    shown = page(uma, lab)

    assert "Line one\nline two" in shown
    assert '<a href="https://example.com/a?b=1" rel="nofollow">' in shown
    assert 'href="javascript' not in shown
    assert "<img" not in shown


@pytest.mark.parametrize("title", ["../../etc/passwd", "a/b", "two\nlines; rm -rf /", "\\windows", " padded "])
def test_a_title_that_is_a_path_is_no_path_in_the_console_command(title: str, uma: User) -> None:
    lab = make_lab(title=title, topology={"nodes": [node(1, label="../r1")], "links": []})

    console = console_of(lab)

    assert console is not None
    assert console.open == f"open /{lab.cml_id}/{node(1)['id']}/0"
    assert page(uma, lab)


def test_an_id_that_is_a_path_leads_nowhere_else(uma: User) -> None:
    lab = make_lab(make_worker(public_address="198.51.100.7"), cml_id="../../api?x=#y")

    assert lab.cml_url == "https://198.51.100.7/lab/..%2F..%2Fapi%3Fx%3D%23y"
    assert lab.cml_url in page(uma, lab)


def test_nothing_in_the_page_needs_inline_script_or_style(uma: User) -> None:
    nodes = [node(n) for n in range(5)]
    answer = signed_in(uma).get(make_lab(topology={"nodes": nodes, "links": [link(nodes[0], nodes[1])]}).get_absolute_url())
    shown = answer.content.decode()

    assert "style=" not in shown
    assert not re.search(r"\son\w+=", shown)
    assert not re.search(r"<script(?![^>]*\bsrc=)", shown)
    assert "'unsafe-inline'" not in answer["Content-Security-Policy"]
