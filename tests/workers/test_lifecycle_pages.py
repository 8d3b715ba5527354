"""Start, stop, terminate and monitoring as people meet them. What EC2 makes of it is tested with the operations."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.choices import ActorKind, OperationKind
from workers.dressing import dressed
from workers.models import Event, Operation, Worker
from workers.services.operations import asking
from workers.services.record import Actor

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
K = OperationKind


def by(person: User) -> asking.Asker:
    return asking.Asker(actor=Actor(kind=ActorKind.PERSON, user=person))


def asked(kind: OperationKind, worker: Worker, person: User) -> Operation:
    return asking.ask(kind=kind, worker=worker, by=by(person), now=timezone.now(), parameters={"on": True, "set": {}})


def post(person: User, worker: Worker, action: str, data: dict[str, str] | None = None, **headers: str) -> HttpResponse:
    return signed_in(person).post(f"/workers/{worker.pk}/{action}/", data or {}, headers=headers)  # type: ignore[return-value]


def page(browser: Client, address: str) -> str:
    answer = browser.get(address, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_manager_stops_a_worker_and_the_page_says_who_asked(miguel: User, uma: User) -> None:
    worker = make_worker(name="ccna-evening")
    browser = signed_in(miguel)

    answer = browser.post(f"/workers/{worker.pk}/stop/", {"reason": "class is over"}, follow=True)

    operation = Operation.objects.get()
    assert (operation.kind, operation.worker, operation.actor, operation.reason) == ("stop", worker, miguel, "class is over")
    assert operation.from_address == "127.0.0.1"
    assert answer.redirect_chain == [(worker.get_absolute_url(), 302)]
    assert "Stopping ccna-evening." in answer.content.decode()
    for address in (worker.get_absolute_url(), f"{worker.get_absolute_url()}live/", "/"):
        seen = " ".join(page(signed_in(uma), address).split())
        assert f'<a href="/operations/{operation.pk}/">Stopping</a>, asked by miguel' in seen


def test_the_rows_of_the_stream_say_it_for_every_viewer(miguel: User) -> None:
    worker = make_worker()
    asked(K.STOP, worker, miguel)

    [shown] = dressed([worker], now=timezone.now())
    row = render_to_string("workers/components/row.html", {"worker": shown})

    assert "Stopping</a>, asked by miguel" in row
    assert "checkbox" not in row
    assert row.strip().startswith("<tr")


def test_a_second_stop_is_told_whose_the_first_is(miguel: User, ada: User) -> None:
    worker = make_worker()
    operation = asked(K.STOP, worker, miguel)

    answer = signed_in(ada).post(f"/workers/{worker.pk}/stop/", follow=True)

    text = answer.content.decode()
    assert Operation.objects.count() == 1
    assert "is on its way already, asked by miguel" in text
    assert f'<a href="{operation.get_absolute_url()}">See it</a>' in text
    assert 'class="toast"\n         data-tone="busy"' in text


def test_what_is_so_already_is_no_error(miguel: User) -> None:
    worker = make_worker(machine_state="stopped", service_state="unknown")

    text = signed_in(miguel).post(f"/workers/{worker.pk}/stop/", follow=True).content.decode()

    assert f"{worker} is already stopped; there is nothing to do." in text
    assert 'class="toast"\n         data-tone="busy"' in text
    assert not Operation.objects.exists()


def test_what_is_not_legal_is_refused_with_its_sentence(miguel: User) -> None:
    worker = make_worker(machine_state="stopping", service_state="unknown")

    text = signed_in(miguel).post(f"/workers/{worker.pk}/start/", follow=True).content.decode()

    assert "is still stopping; try again when it has stopped" in text
    assert 'class="toast"\n         data-tone="warn"' in text


def test_htmx_gets_the_actions_with_the_message_beside_them(miguel: User) -> None:
    worker = make_worker(machine_state="stopped", service_state="unknown")

    answer = post(miguel, worker, "start", **HTMX)

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in text
    assert 'id="worker-actions"' in text
    assert 'hx-swap-oob="beforeend"' in text
    assert f"Starting {worker} is on its way, asked by miguel." in text


@pytest.mark.parametrize(
    ("person", "labels"),
    [
        ("uma", set()),
        ("miguel", {"action-start", "action-stop", "action-tags"}),
        (
            "ada",
            {"action-start", "action-stop", "action-tags", "action-monitoring", "action-terminate", "action-delete"},
        ),
    ],
)
def test_everybody_gets_exactly_their_actions(person: str, labels: set[str], request: pytest.FixtureRequest) -> None:
    worker = make_worker()

    text = page(signed_in(request.getfixturevalue(person)), f"/workers/{worker.pk}/actions/")

    known = ("start", "stop", "tags", "monitoring", "terminate", "delete")
    assert {f"action-{name}" for name in known if f'id="action-{name}"' in text} == labels


def test_an_action_that_is_not_legal_now_is_shut_and_says_why(miguel: User) -> None:
    worker = make_worker(name="w", machine_state="pending", service_state="unknown")

    text = page(signed_in(miguel), f"/workers/{worker.pk}/actions/")

    assert 'aria-describedby="why-not-stop"' in text
    assert "w is still starting; try again when it runs." in text


def test_terminating_names_what_still_runs_and_wants_the_name(ada: User) -> None:
    worker = make_worker(name="ccna-evening", labs_running=2, nodes_running=1)
    browser = signed_in(ada)

    form = page(browser, f"/workers/{worker.pk}/terminate/")
    wrong = browser.post(f"/workers/{worker.pk}/terminate/", {"name": "ccna-evenin"})
    right = browser.post(f"/workers/{worker.pk}/terminate/", {"name": "ccna-evening", "reason": "too old"}, follow=True)

    assert "2 labs and 1 node run on it." in form
    assert "Termination protection" in form
    assert worker.instance_id in form
    assert wrong.status_code == 422
    assert 'id="terminate_name_error"' in wrong.content.decode()
    assert "Terminating ccna-evening." in right.content.decode()
    operation = Operation.objects.get()
    assert (operation.kind, operation.reason) == ("terminate", "too old")


def test_in_the_dialog_a_wrong_name_gives_the_form_again_and_the_right_one_the_page(ada: User) -> None:
    worker = make_worker(name="w")
    browser = signed_in(ada)

    form = browser.get(f"/workers/{worker.pk}/terminate/", headers=HTMX)
    wrong = browser.post(f"/workers/{worker.pk}/terminate/", {"name": "no"}, headers=HTMX)
    right = browser.post(f"/workers/{worker.pk}/terminate/", {"name": "w"}, headers=HTMX)

    assert "<html" not in form.content.decode()
    assert (wrong.status_code, "<html" in wrong.content.decode()) == (422, False)
    assert right["HX-Redirect"] == worker.get_absolute_url()


def test_monitoring_says_its_cost_and_is_switched(ada: User) -> None:
    worker = make_worker()

    menu = page(signed_in(ada), f"/workers/{worker.pk}/actions/")
    post(ada, worker, "monitoring", {"on": "1"})

    assert "about 2.10 USD a month at 1-minute resolution" in menu
    assert Operation.objects.get().parameters == {"on": True}


@pytest.mark.parametrize(("on", "sentence"), [("0", "is off already"), ("maybe", "say whether")])
def test_monitoring_that_is_so_already_or_unclear_asks_for_nothing(on: str, sentence: str, ada: User) -> None:
    worker = make_worker()

    answer = signed_in(ada).post(f"/workers/{worker.pk}/monitoring/", {"on": on}, follow=True)

    assert sentence in answer.content.decode()
    assert not Operation.objects.exists()


def test_a_reason_that_is_too_long_asks_for_nothing(miguel: User) -> None:
    worker = make_worker()

    answer = signed_in(miguel).post(f"/workers/{worker.pk}/stop/", {"reason": "x" * 501}, follow=True)

    assert "at most 500 characters" in answer.content.decode()
    assert not Operation.objects.exists()
    assert not Event.objects.exists()
