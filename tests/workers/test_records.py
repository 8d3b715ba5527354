"""The portal forgets a worker, and never one by which somebody pays without knowing."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.choices import ActorKind, OperationKind
from workers.models import Event, Operation, Worker
from workers.services import records
from workers.services.operations import asking
from workers.services.record import Actor

pytestmark = pytest.mark.django_db


def test_a_terminated_worker_goes_and_leaves_its_trail(ada: User) -> None:
    worker = make_worker(name="old", machine_state="terminated", service_state="unknown", instance_id="i-0old")
    Event.objects.create(at=timezone.now(), kind="worker.state", worker=worker, worker_name="old", actor_kind="ec2")

    answer = signed_in(ada).post(f"/workers/{worker.pk}/delete/", {"reason": "tidy"}, follow=True)

    assert answer.redirect_chain == [("/", 302)]
    assert "The record of old is deleted." in answer.content.decode()
    assert not Worker.objects.exists()
    told = Event.objects.get(kind="worker.deleted")
    assert (told.actor, told.worker_name, told.detail, told.from_address) == (ada, "old", "tidy", "127.0.0.1")
    assert "i-0old" in told.before
    assert Event.objects.get(kind="worker.state").worker_name == "old"


def test_a_running_one_goes_only_when_its_instance_is_to_be_kept(ada: User) -> None:
    worker = make_worker()
    browser = signed_in(ada)

    form = browser.get(f"/workers/{worker.pk}/delete/").content.decode()
    without = browser.post(f"/workers/{worker.pk}/delete/")
    assert Worker.objects.exists()
    browser.post(f"/workers/{worker.pk}/delete/", {"keep_instance": "on"})

    assert "Keep the instance running" in form
    assert without.status_code == 422
    assert 'id="delete_keep_instance_error"' in without.content.decode()
    assert "still has an instance that is being paid for" in without.content.decode()
    assert not Worker.objects.exists()
    assert Event.objects.get(kind="worker.deleted").after == "No record; the instance was kept"


def test_one_that_is_being_created_stays(ada: User) -> None:
    worker = make_worker(machine_state="pending", service_state="unknown", instance_id="")

    answer = signed_in(ada).post(f"/workers/{worker.pk}/delete/", {"keep_instance": "on"})

    assert answer.status_code == 422
    assert "an instance may be on its way" in answer.content.decode()
    assert Worker.objects.exists()


def test_one_with_something_on_its_way_stays_until_that_has_ended(ada: User, miguel: User) -> None:
    worker = make_worker()
    by = asking.Asker(actor=Actor(kind=ActorKind.PERSON, user=miguel))
    asking.ask(kind=OperationKind.STOP, worker=worker, by=by, now=timezone.now())

    with pytest.raises(records.UnableToDelete, match=r"Stopping .* is on its way, asked by miguel"):
        records.delete_record(worker=worker, keep_instance=True, by=by, now=timezone.now())

    assert Worker.objects.exists()
    assert Operation.objects.get().worker == worker


def test_deleting_twice_leaves_one_line(ada: User) -> None:
    worker = make_worker(machine_state="lost", service_state="unknown")
    by = asking.Asker(actor=Actor(kind=ActorKind.PERSON, user=ada))

    for _ in range(2):
        records.delete_record(worker=worker, keep_instance=False, by=by, now=timezone.now())

    assert Event.objects.filter(kind="worker.deleted").count() == 1
