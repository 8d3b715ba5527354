"""The audit page and its file."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from tests.workers.test_operations_pages import make_operation
from workers.audit_listing import AuditQuery, Place
from workers.models import Event, Worker
from workers.views import audit

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def make_event(**overrides: Any) -> Event:
    fields: dict[str, Any] = {
        "at": MOMENT,
        "kind": "worker.state",
        "worker_name": "w",
        "actor_kind": "person",
        "actor_name": "miguel",
        "before": "Running",
        "after": "Stopping",
    }
    return Event.objects.create(**(fields | overrides))


def listed(browser: Client, address: str = "/audit/") -> list[Event]:
    answer = browser.get(address)
    assert answer.status_code == 200
    return list(answer.context["events"])


def file_of(browser: Client, query: str = "") -> list[list[str]]:
    answer = browser.get(f"/audit/export.csv{query}")
    assert answer.status_code == 200
    content = b"".join(answer)  # type: ignore[arg-type]
    return list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))


def test_a_line_says_who_what_when_and_from_where(ada: User) -> None:
    operation = make_operation(make_worker())
    make_event(operation=operation, from_address="192.0.2.9", detail="asked <nicely>", worker_name="encor")

    page = signed_in(ada).get("/audit/").content.decode()

    for words in ("encor", "Running", "Stopping", "miguel", "192.0.2.9", "asked &lt;nicely&gt;", "20 Nov 2026, 12:00:00"):
        assert words in page
    assert f'href="/operations/{operation.pk}/"' in page


def test_each_filter_finds_its_own(ada: User) -> None:
    worker = make_worker(instance_id="i-0beta")
    operation = make_operation(worker)
    state = make_event(worker_name="alpha")
    tags = make_event(kind="worker.tags", worker=worker, worker_name="beta", actor_name="ada", at=MOMENT - timedelta(days=1))
    outside = make_event(actor_kind="ec2", actor_name="", operation=operation, at=MOMENT - timedelta(days=2))
    browser = signed_in(ada)

    assert listed(browser) == [state, tags, outside]
    assert listed(browser, "/audit/?kind=worker.tags") == [tags]
    assert listed(browser, "/audit/?by=ec2") == [outside]
    assert listed(browser, "/audit/?person=AD") == [tags]
    assert listed(browser, "/audit/?q=alp") == [state]
    assert listed(browser, "/audit/?q=i-0beta") == [tags]
    assert listed(browser, f"/audit/?operation={operation.pk}") == [outside]
    assert listed(browser, "/audit/?from=2026-11-19&to=2026-11-19") == [tags]
    assert listed(browser, "/audit/?from=2026-11-19") == [state, tags]
    assert listed(browser, "/audit/?to=2026-11-18") == [outside]


def test_days_are_the_viewers(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(time_zone="Asia/Tokyo")
    late = make_event(at=datetime(2026, 11, 20, 16, 0, tzinfo=UTC))  # 01:00 of the 21st in Tokyo
    browser = signed_in(ada)

    assert listed(browser, "/audit/?from=2026-11-21&to=2026-11-21") == [late]
    assert listed(browser, "/audit/?to=2026-11-20") == []


@pytest.mark.parametrize(
    "query",
    [
        "kind=nonsense",
        "by=x",
        "from=2026-02-31",
        "to=yesterday",
        "from=0001-01-01",
        "to=9999-12-31",
        "before=1-2-3",
        "before=999999999999999999-1",
        "after=x",
        "operation=1",
        "q=%00",
    ],
)
def test_odd_values_in_the_address_are_dropped(query: str, ada: User) -> None:
    make_event()

    assert len(listed(signed_in(ada), f"/audit/?{query}")) == 1


def test_going_older_and_back_shows_every_line_once(ada: User) -> None:
    # Many of one moment, as a refresh writes them: the id decides between them.
    made = [make_event(at=MOMENT - timedelta(seconds=number // 40)) for number in range(125)]
    made.sort(key=lambda event: (event.at, event.pk), reverse=True)
    browser = signed_in(ada)

    answer = browser.get("/audit/")
    seen, way_back = [], []
    while True:
        seen += answer.context["events"]
        if not answer.context["older_url"]:
            break
        answer = browser.get("/audit/" + answer.context["older_url"])
    while answer.context["newer_url"]:
        answer = browser.get("/audit/" + answer.context["newer_url"])
        way_back.append(answer.context["events"])

    assert seen == made
    assert way_back == [made[50:100], made[:50]]
    assert answer.context["newest_url"] == "?"


def test_the_count_says_so_when_there_are_too_many_to_count(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.audit_listing.COUNTED", 2)
    browser = signed_in(ada)

    sentences = []
    for _ in range(3):
        make_event()
        sentences.append(browser.get("/audit/").context["sentence"])

    assert sentences == ["1 line", "2 lines", "More than 2 lines"]


def test_a_page_costs_the_same_queries_however_many_lines(ada: User) -> None:
    browser = signed_in(ada)

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            browser.get("/audit/?person=m")
        return len(caught)

    make_event(worker=make_worker(), operation=make_operation(make_worker()))
    queries()
    with_one = queries()
    for _ in range(60):
        worker = make_worker()
        make_event(worker=worker, operation=make_operation(worker))

    assert queries() == with_one


def test_twenty_thousand_lines_are_quick(ada: User) -> None:
    Event.objects.bulk_create(
        [
            Event(at=MOMENT - timedelta(seconds=n), kind="worker.state", actor_kind="ec2", worker_name=f"w{n}", after="Running")
            for n in range(20_000)
        ],
        batch_size=2_000,
    )
    browser = signed_in(ada)
    deep = Place(MOMENT - timedelta(seconds=19_000), 1)
    browser.get("/audit/")

    begun = time.perf_counter()
    for address in ("/audit/", f"/audit/?before={deep}", "/audit/?q=w19999", f"/audit/?after={deep}"):
        assert listed(browser, address)
    paged = time.perf_counter() - begun
    begun = time.perf_counter()
    rows = file_of(browser)

    assert len(rows) == 20_001
    assert paged < 2
    assert time.perf_counter() - begun < 5


# ── The file ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_file_holds_what_the_filters_show(ada: User) -> None:
    worker = make_worker()
    operation = make_operation(worker)
    make_event(worker=worker, worker_name="Zürich, “1”", operation=operation, from_address="2001:db8::1", detail="a\nb")
    make_event(kind="worker.tags")
    browser = signed_in(ada)

    heading, *rows = file_of(browser, "?kind=worker.state")

    assert heading == list(audit.HEADINGS)
    assert rows == [
        [
            "2026-11-20T12:00:00.000Z",
            "worker.state",
            "Zürich, “1”",
            str(worker.pk),
            "person",
            "miguel",
            "2001:db8::1",
            "Running",
            "Stopping",
            "a\nb",
            str(operation.pk),
            "",
        ]
    ]
    answer = browser.get("/audit/export.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="audit-')


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_taken_for_a_formula(start: str, ada: User) -> None:
    evil = f'{start}HYPERLINK("http://198.51.100.1")'
    make_event(worker_name=evil, actor_name=evil, before=evil, after=evil, detail=evil)

    _, row = file_of(signed_in(ada))

    assert [row[column] for column in (2, 5, 7, 8, 9)] == [f"'{evil}"] * 5


def test_the_file_ends_with_a_word_when_not_all_fits(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_ROWS", 5)
    monkeypatch.setattr(audit, "CHUNK", 2)
    made = [make_event(after=str(number)) for number in range(6)]
    browser = signed_in(ada)

    _, *rows, last = file_of(browser)

    assert [row[8] for row in rows] == ["5", "4", "3", "2", "1"]
    assert last == ["Only the newest 5 lines are in this file; narrow the dates for the others."]
    Event.objects.all().expire(made[0].at + timedelta(seconds=1))
    for number in range(5):
        make_event(after=str(number))
    assert len(file_of(browser)) == 6


@pytest.mark.django_db(transaction=True)
def test_under_asgi_the_file_is_written_as_it_is_read(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from asgiref.sync import async_to_sync

    monkeypatch.setattr(audit, "CHUNK", 2)
    for _ in range(5):
        make_event()
    browser = AsyncClient()
    browser.cookies = signed_in(ada).cookies

    async def pieces() -> list[bytes]:
        answer = await browser.get("/audit/export.csv")
        assert answer.is_async  # type: ignore[attr-defined]
        return [piece async for piece in answer]  # type: ignore[attr-defined]

    found = async_to_sync(pieces)()

    assert [piece.count(b"\r\n") for piece in found] == [1, 2, 2, 1]


# ── Who, and from where ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("address", ["/audit/", "/audit/export.csv"])
def test_only_administrators_may_look(address: str, uma: User, miguel: User, ada: User) -> None:
    assert [signed_in(person).get(address).status_code for person in (uma, miguel, ada)] == [403, 403, 200]


def test_asking_for_a_refresh_says_from_where(uma: User) -> None:
    later = timezone.now() + timedelta(hours=1)
    worker = make_worker(cml_due_at=later)

    signed_in(uma).post(f"/workers/{worker.pk}/refresh/", REMOTE_ADDR="192.0.2.5")

    assert Event.objects.get(kind="worker.refresh").from_address == "192.0.2.5"


def test_changing_the_connection_says_from_where(ada: User) -> None:
    worker = make_worker()
    fields = {"address_kind": "private", "tls_policy": "default"}

    answer = signed_in(ada).post(f"/workers/{worker.pk}/connection/", fields, REMOTE_ADDR="192.0.2.6")

    assert answer.status_code == 302
    assert Worker.objects.get().address_kind == "private"
    assert Event.objects.get(kind="worker.connection").from_address == "192.0.2.6"


def test_places_survive_the_address() -> None:
    place = Place(datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC), 42)

    assert Place.parse(str(place)) == place
    assert AuditQuery(person="x").url(before=place) == f"?person=x&before={place}"
