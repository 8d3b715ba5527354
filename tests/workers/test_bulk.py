"""The same thing for many workers: the preview, a result for each, and what EC2's rates allow."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.choices import ActorKind, OperationKind
from workers.models import Operation, Worker
from workers.services.operations import asking, bulk
from workers.services.record import Actor

pytestmark = pytest.mark.django_db
K = OperationKind


def by(person: User) -> asking.Asker:
    return asking.Asker(actor=Actor(kind=ActorKind.PERSON, user=person), from_address="192.0.2.9")


def ids(workers: Iterable[Worker]) -> list[str]:
    return [str(worker.pk) for worker in workers]


def send(person: User, action: str, **data: Any) -> Any:
    return signed_in(person).post("/workers/bulk/", {"action": action} | data, follow=True)


def stopped(**fields: Any) -> Worker:
    return make_worker(machine_state="stopped", service_state="unknown", **fields)


# ── The service ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("kind", "rate"), [(K.START, 2), (K.STOP, 5), (K.TAG, 10)])
def test_they_become_due_no_faster_than_ec2_refills(kind: OperationKind, rate: int, miguel: User) -> None:
    now = timezone.now()
    workers = [stopped() if kind == K.START else make_worker() for _ in range(12)]
    elsewhere = stopped(region="us-west-2") if kind == K.START else make_worker(region="us-west-2")

    batch = bulk.ask_many(
        kind=kind, workers=[*workers, elsewhere], by=by(miguel), now=now, parameters={"set": {"a": "b"}, "remove": []}
    )

    found = Operation.objects.filter(batch=batch)
    here = sorted(found.exclude(worker=elsewhere).values_list("due_at", flat=True))
    assert here == [now + timedelta(seconds=turn / rate) for turn in range(12)]
    assert found.get(worker=elsewhere).due_at == now
    assert not found.filter(queued_at__isnull=False, due_at__gt=now).exists()


def test_every_worker_gets_a_result_and_the_refused_say_why(miguel: User) -> None:
    running, off, pending, taken = make_worker(), stopped(), make_worker(machine_state="pending"), make_worker()
    asking.ask(kind=K.STOP, worker=taken, by=by(miguel), now=timezone.now())

    batch = bulk.ask_many(kind=K.STOP, workers=[running, off, pending, taken], by=by(miguel), now=timezone.now())

    found = {operation.worker_id: operation for operation in Operation.objects.filter(batch=batch)}
    assert {pk: operation.state for pk, operation in found.items()} == {
        running.pk: "pending",
        off.pk: "succeeded",
        pending.pk: "refused",
        taken.pk: "refused",
    }
    assert "already stopped" in found[off.pk].sentence
    assert "is still starting" in found[pending.pk].sentence
    assert "asked by miguel" in found[taken.pk].sentence
    assert found[pending.pk].finished_at


def test_refused_ones_take_no_turn(miguel: User) -> None:
    now = timezone.now()

    batch = bulk.ask_many(kind=K.STOP, workers=[stopped() for _ in range(9)] + [make_worker()], by=by(miguel), now=now)

    assert Operation.objects.get(batch=batch, state="pending").due_at == now


def test_one_that_was_deleted_meanwhile_is_told_and_stops_nobody(miguel: User) -> None:
    gone, there = make_worker(name="gone"), make_worker()
    Worker.objects.filter(pk=gone.pk).delete()

    batch = bulk.ask_many(kind=K.STOP, workers=[gone, there], by=by(miguel), now=timezone.now())

    assert "was deleted meanwhile" in Operation.objects.get(batch=batch, worker_name="gone").sentence
    assert Operation.objects.get(batch=batch, worker=there).state == "pending"


@pytest.mark.parametrize(
    ("count", "kind", "sentence"), [(0, K.STOP, "No worker"), (501, K.STOP, "at most 500"), (1, K.TERMINATE, "cannot")]
)
def test_nothing_too_many_and_the_wrong_kind_are_refused_whole(
    count: int, kind: OperationKind, sentence: str, miguel: User
) -> None:
    workers = [Worker(name=f"w{n}", region="us-east-1") for n in range(count)]

    with pytest.raises(bulk.UnableToAskMany, match=sentence):
        bulk.ask_many(kind=kind, workers=workers, by=by(miguel), now=timezone.now())

    assert not Operation.objects.exists()


def test_a_worker_that_would_have_too_many_tags_is_refused_alone(miguel: User) -> None:
    full, free = make_worker(tags={f"k{n}": "" for n in range(50)}), make_worker()

    batch = bulk.ask_many(
        kind=K.TAG, workers=[full, free], by=by(miguel), now=timezone.now(), parameters={"set": {"a": "b"}, "remove": []}
    )

    states = dict(Operation.objects.filter(batch=batch).values_list("worker", "state"))
    assert states == {full.pk: "refused", free.pk: "pending"}


# ── The pages ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_preview_says_who_will_and_who_would_not_and_asks_nobody(miguel: User) -> None:
    will, wont = make_worker(name="will-stop", labs_running=3, nodes_running=0), stopped(name="wont-stop")

    page = send(miguel, "stop", ids=ids([will, wont])).content.decode()

    asked, left_out = page.split('id="wont"')
    assert "will-stop" in asked
    assert "3 labs run on it." in asked
    assert f'name="ids" value="{will.pk}"' in asked
    assert "wont-stop is already stopped" in left_out
    assert str(wont.pk) not in asked
    assert not Operation.objects.exists()


def test_confirming_leads_to_a_result_for_each(miguel: User) -> None:
    workers = [make_worker(name=f"w-{n}") for n in range(3)]

    answer = send(miguel, "stop", ids=ids(workers), confirm="1", reason="night")

    batch = Operation.objects.values_list("batch", flat=True).distinct().get()
    page = answer.content.decode()
    assert answer.redirect_chain == [(f"/operations/batches/{batch}/", 302)]
    assert Operation.objects.filter(batch=batch, reason="night", from_address="127.0.0.1").count() == 3
    for operation in Operation.objects.all():
        assert f'id="operation.{operation.pk}"' in page
        assert f"channel=operation.{operation.pk}" in page


def test_all_that_match_means_the_filter_and_not_the_page(miguel: User) -> None:
    workers = [make_worker(region="us-west-2") for _ in range(60)]
    make_worker(region="us-east-1")

    page = send(miguel, "stop", all="1", query="?region=us-west-2&size=25").content.decode()

    assert page.count('name="ids"') == len(workers)
    assert "Stop 60 workers" in page


def test_more_than_500_are_refused_before_anything(miguel: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST", 5)
    for _ in range(6):
        make_worker()

    answer = send(miguel, "stop", all="1", query="?region=us-east-1")

    assert answer.redirect_chain == [("/?region=us-east-1", 302)]
    assert "at most 5 workers" in answer.content.decode()


@pytest.mark.parametrize(
    ("data", "sentence"), [({"action": "stop"}, "select workers first"), ({"action": "terminate"}, "choose Start")]
)
def test_nothing_selected_and_an_unknown_action_lead_back(data: dict[str, str], sentence: str, miguel: User) -> None:
    make_worker()
    answer = signed_in(miguel).post("/workers/bulk/", data | {"ids": ["nonsense", str(uuid.uuid4())]}, follow=True)

    assert sentence in answer.content.decode()
    assert not Operation.objects.exists()


def test_many_are_tagged_and_errors_stand_beside_their_field(miguel: User) -> None:
    workers = [make_worker(), make_worker()]
    rows = {"tag-TOTAL_FORMS": 4, "tag-INITIAL_FORMS": 0, "ids": ids(workers), "confirm": "1"}

    name = send(miguel, "tag", **rows, **{"tag-0-key": "Name", "tag-0-value": "all"})
    empty = send(miguel, "tag", **rows)
    good = send(miguel, "tag", **rows, **{"tag-0-key": "team", "tag-0-value": "red", "tag-1-key": "old", "tag-1-remove": "on"})

    assert (name.status_code, empty.status_code, good.status_code) == (422, 422, 200)
    assert "rename them one by one" in name.content.decode().split('id="tag-0-key_error"')[1].split("</p>")[0]
    assert "Enter at least one tag." in empty.content.decode()
    assert list(Operation.objects.values_list("parameters", flat=True)) == [{"set": {"team": "red"}, "remove": ["old"]}] * 2


def test_refreshing_many_reports_each(miguel: User) -> None:
    later = timezone.now() + timedelta(minutes=4)
    running, off = make_worker(name="on", cml_due_at=later), stopped(name="off")

    page = send(miguel, "refresh", ids=ids([running, off])).content.decode()

    assert "1 worker is being read" in page
    assert "off is stopped: there is nothing to ask" in page
    running.refresh_from_db()
    assert running.refresh_asked_at


def test_retrying_asks_again_only_for_what_failed(miguel: User, ada: User) -> None:
    workers = [make_worker() for _ in range(3)]
    batch = bulk.ask_many(kind=K.STOP, workers=workers, by=by(miguel), now=timezone.now())
    ended = {"finished_at": timezone.now()}
    Operation.objects.filter(worker=workers[0]).update(state="failed", **ended)
    Operation.objects.filter(worker=workers[1]).update(state="succeeded", **ended)

    answer = signed_in(ada).post(f"/operations/batches/{batch}/retry/", follow=True)

    again = Operation.objects.exclude(batch=batch).get()
    assert (again.worker, again.kind, again.actor) == (workers[0], "stop", ada)
    assert answer.redirect_chain == [(f"/operations/batches/{again.batch}/", 302)]


def test_a_batch_without_failures_has_nothing_to_retry(miguel: User) -> None:
    batch = bulk.ask_many(kind=K.STOP, workers=[make_worker()], by=by(miguel), now=timezone.now())
    browser = signed_in(miguel)

    page = browser.get(f"/operations/batches/{batch}/").content.decode()
    answer = browser.post(f"/operations/batches/{batch}/retry/", follow=True)

    assert "Retry the failed" not in page
    assert "nothing to try again" in answer.content.decode()
    assert Operation.objects.count() == 1


def test_a_user_sees_the_results_but_selects_and_retries_nothing(uma: User, miguel: User) -> None:
    worker = make_worker(machine_state="pending")
    batch = bulk.ask_many(kind=K.STOP, workers=[worker], by=by(miguel), now=timezone.now())
    browser = signed_in(uma)

    page = browser.get(f"/operations/batches/{batch}/")
    fleet = browser.get("/").content.decode()

    assert page.status_code == 200
    assert "Retry the failed" not in page.content.decode()
    assert browser.post(f"/operations/batches/{batch}/retry/").status_code == 403
    assert "data-select" not in fleet
    assert 'id="bulk"' not in fleet


def test_a_manager_gets_a_box_for_each_row_and_the_bar(miguel: User) -> None:
    worker = make_worker(name="w")

    fleet = " ".join(signed_in(miguel).get("/?region=us-east-1").content.decode().split())

    assert 'aria-label="Select w"' in fleet
    assert f'name="ids" value="{worker.pk}" form="bulk"' in fleet
    assert 'value="?region=us-east-1"' in fleet
    assert "Select all 1 that match" in fleet
