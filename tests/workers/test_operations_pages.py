"""The operations pages as people meet them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.choices import OperationKind
from workers.models import Operation, Worker
from workers.operation_listing import OperationsQuery
from workers.services.operations import plans, rules
from workers.templatetags.operations import progress, span_text, story

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def make_operation(worker: Worker | None = None, *, kind: str = "stop", **overrides: Any) -> Operation:
    """A stop that has ended well; anything can be said otherwise."""
    asked_at = overrides.pop("asked_at", timezone.now() - timedelta(minutes=5))
    state = overrides.get("state", "succeeded")
    done = {"state": "done", "started_at": asked_at.isoformat(), "finished_at": (asked_at + timedelta(seconds=4)).isoformat()}
    steps = [step | (done if state == "succeeded" else {}) for step in plans.steps_of(OperationKind(kind))]
    fields: dict[str, Any] = {
        "kind": kind,
        "worker": worker,
        "worker_name": str(worker) if worker else "",
        "slot": rules.SLOTS[OperationKind(kind)],
        "actor_kind": "person",
        "actor_name": "miguel",
        "state": state,
        "steps": steps,
        "asked_at": asked_at,
        "due_at": asked_at,
        "finished_at": None if state in {"pending", "running"} else asked_at + timedelta(seconds=72),
        "from_address": "192.0.2.77",
    }
    return Operation.objects.create(**(fields | overrides))


def text(browser: Client, address: str = "/operations/", **headers: str) -> str:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def listed(browser: Client, query: str = "") -> list[Operation]:
    return list(browser.get(f"/operations/{query}").context["page"].object_list)


def test_a_row_says_what_whose_how_far_and_how_it_ended(uma: User) -> None:
    worker = make_worker(name="ccnp-encor-01")
    operation = make_operation(worker, sentence="ccnp-encor-01 is stopped after 72 s.", reason="class is over")

    page = text(signed_in(uma))

    for words in ("Stop", "ccnp-encor-01", "Succeeded", "miguel", "class is over", "72 s", "is stopped after"):
        assert words in page
    assert f'href="/operations/{operation.pk}/"' in page
    assert f'href="/workers/{worker.pk}/"' in page
    assert "1–1 of 1 operation" in page


def test_the_newest_come_first_in_pages_of_fifty(uma: User) -> None:
    worker = make_worker()
    now = timezone.now()
    made = [make_operation(worker, asked_at=now - timedelta(minutes=number)) for number in range(53)]
    browser = signed_in(uma)

    assert listed(browser) == made[:50]
    assert listed(browser, "?page=2") == made[50:]
    assert listed(browser, "?page=99") == made[50:]
    assert "51–53 of 53 operations" in text(browser, "/operations/?page=2")


def test_each_filter_finds_its_own(uma: User) -> None:
    one, other = make_worker(name="alpha"), make_worker(name="beta", instance_id="i-0beta")
    stop = make_operation(one)
    start = make_operation(one, kind="start", state="running", actor_name="ada")
    tag = make_operation(other, kind="tag", state="failed", sentence="no")
    browser = signed_in(uma)

    assert set(listed(browser)) == {stop, start, tag}
    assert listed(browser, "?kind=stop") == [stop]
    assert set(listed(browser, "?kind=stop&kind=tag")) == {stop, tag}
    assert listed(browser, "?state=failed") == [tag]
    assert listed(browser, "?person=AD") == [start]
    assert listed(browser, "?q=bet") == [tag]
    assert listed(browser, "?q=i-0beta") == [tag]
    assert set(listed(browser, f"?worker={one.pk}")) == {stop, start}
    assert listed(browser, "?flight=1") == [start]
    assert listed(browser, "?kind=stop&state=failed") == []


def test_a_look_is_listed_only_when_asked_for(uma: User) -> None:
    look = make_operation(kind="look", parameters={"region": "eu-central-1", "what": "instances"})
    browser = signed_in(uma)

    assert listed(browser) == []
    assert listed(browser, "?kind=look") == [look]
    assert "eu-central-1" in text(browser, "/operations/?kind=look")


def test_odd_values_in_the_address_are_dropped(uma: User) -> None:
    make_operation(make_worker())
    browser = signed_in(uma)

    for query in ("?kind=nonsense", "?state=%00", "?worker=not-a-uuid", "?page=-1", "?page=x", "?flight=yes", "?q=%00"):
        assert len(listed(browser, query)) == 1, query


def test_having_nothing_to_show_is_told_apart_from_having_no_match(uma: User) -> None:
    browser = signed_in(uma)
    assert "Nothing has been asked for yet" in text(browser)

    make_operation(make_worker())

    assert "No operation matches" in text(browser, "/operations/?kind=tag")


def test_htmx_gets_the_part_and_everybody_else_the_page(uma: User) -> None:
    browser = signed_in(uma)

    whole, part = text(browser), text(browser, **HTMX)

    assert whole.count("<html") == 1
    assert "<html" not in part
    assert 'id="operations"' in part
    assert "HX-Request" in browser.get("/operations/")["Vary"]


def test_the_page_hears_of_exactly_its_rows(uma: User) -> None:
    operation = make_operation(make_worker())

    stream = signed_in(uma).get("/operations/").context["stream_url"]

    assert stream == f"/api/events/stream?channel=operations&channel=operation.{operation.pk}"


@pytest.mark.parametrize("address", ["/operations/", "/operations/?q=w"])
def test_fifty_operations_cost_as_many_queries_as_one(address: str, uma: User) -> None:
    browser = signed_in(uma)

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            browser.get(address)
        return len(caught)

    make_operation(make_worker(name="w"))
    queries()
    with_one = queries()
    for _ in range(49):
        make_operation(make_worker(name="w"))

    assert queries() == with_one


def test_the_page_of_an_operation_shows_its_steps_and_never_the_address(ada: User) -> None:
    worker = make_worker(name="w")
    steps = plans.steps_of(OperationKind.STOP)
    begun = timezone.now() - timedelta(seconds=30)
    steps[0] |= {"state": "done", "started_at": begun.isoformat(), "finished_at": (begun + timedelta(seconds=2)).isoformat()}
    steps[1] |= {"state": "failed", "detail": "Throttled <by AWS>", "started_at": begun.isoformat()}
    operation = make_operation(
        worker, state="failed", steps=steps, sentence="AWS limits our requests.", detail="RequestLimitExceeded: x"
    )

    page = text(signed_in(ada), f"/operations/{operation.pk}/")

    for words in ("Ask EC2 to stop it", "EC2 says stopped", "2.0 s", "Throttled &lt;by AWS&gt;", "RequestLimitExceeded"):
        assert words in page
    assert "AWS limits our requests." in page
    assert "192.0.2.77" not in page
    assert f"/audit/?operation={operation.pk}" in page


def test_only_administrators_are_led_to_the_audit(uma: User) -> None:
    operation = make_operation(make_worker())

    page = text(signed_in(uma), f"/operations/{operation.pk}/")

    assert "/audit/" not in page


def test_what_was_asked_of_many_leads_to_all_of_them(uma: User) -> None:
    batch = uuid.uuid4()
    operation = make_operation(make_worker(), batch=batch)

    assert f"/operations/batches/{batch}/" in text(signed_in(uma), f"/operations/{operation.pk}/")


def test_an_operation_outlives_its_worker(uma: User) -> None:
    worker = make_worker(name="gone-one")
    operation = make_operation(worker)
    worker.delete()
    browser = signed_in(uma)

    for address in ("/operations/", f"/operations/{operation.pk}/"):
        assert "gone-one" in text(browser, address)


def test_a_workers_page_shows_its_newest_five_and_leads_to_all(uma: User) -> None:
    worker = make_worker()
    now = timezone.now()
    made = [make_operation(worker, asked_at=now - timedelta(hours=number)) for number in range(6)]
    make_operation(make_worker())
    browser = signed_in(uma)

    for address in (f"/workers/{worker.pk}/", f"/workers/{worker.pk}/operations/"):
        answer = browser.get(address)
        assert answer.context["newest"] == made[:5]
        assert f"/operations/?worker={worker.pk}" in answer.content.decode()


@pytest.mark.parametrize("template", ["operation_row", "operation_panel"])
def test_what_comes_from_outside_is_escaped(template: str) -> None:
    evil = "<script>alert(1)</script>"
    worker = make_worker(name=evil)
    operation = make_operation(worker, actor_name=evil, reason=evil, sentence=evil, detail=evil, state="failed")
    operation.steps[0] |= {"detail": evil, "state": "running"}

    fragment = render_to_string(f"workers/components/{template}.html", {"operation": operation})

    assert "&lt;script&gt;" in fragment
    assert "<script" not in fragment


def test_progress_counts_what_is_skipped_and_stops_at_what_failed(now: datetime) -> None:
    steps = plans.steps_of(OperationKind.START)
    for step, state in zip(steps, ("done", "skipped", "failed", "pending"), strict=True):
        step["state"] = state
    operation = Operation(kind="start", steps=steps)

    far = progress(operation)

    assert (far.done, far.total) == (2, 4)
    assert far.current is not None
    assert far.current.label == "Status checks pass"
    assert [step.took for step in story(operation)] == ["", "", "", ""]


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0.0 s"), (0.44, "0.4 s"), (42, "42 s"), (192, "3 min 12 s"), (3840, "1 h 4 min")]
)
def test_a_span_in_words(seconds: float, words: str) -> None:
    assert span_text(seconds) == words


def test_links_keep_the_filters_and_go_back_to_the_first_page() -> None:
    query = OperationsQuery(kinds=("stop", "start"), person="a&b", in_flight=True, page=3)

    assert query.url(page=4) == "?kind=stop&kind=start&person=a%26b&flight=1&page=4"
    assert query.url(kinds=("stop",)) == "?kind=stop&person=a%26b&flight=1"
