"""Actions of the Django admin ask the same services as the pages, within the role table, and say what came of it."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from labs.models import Lab, LabVersion
from tests.conftest import signed_in
from tests.desk.test_lists import action, address
from tests.labs.makers import make_lab
from tests.labs.saving import version_of
from tests.makers import make_worker
from workers.models import Alert, Delivery, Event, NotificationTarget, Operation, Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(ada: User) -> Client:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    return signed_in(ada)


@pytest.mark.parametrize(("name", "state"), [("start", "stopped"), ("stop", "running")])
def test_machines_are_started_and_stopped_as_a_batch(name: str, state: str, browser: Client, ada: User) -> None:
    legal, illegal = make_worker(machine_state=state), make_worker(machine_state="lost")

    answer = action(browser, Worker, name, legal, illegal)

    operations = {operation.worker: operation for operation in Operation.objects.all()}
    batch = operations[legal].batch
    assert answer.redirect_chain == [(f"/operations/batches/{batch}/", 302)]
    assert (operations[legal].kind, operations[legal].state, operations[legal].actor) == (name, "pending", ada)
    assert operations[illegal].state == "refused"


def test_refreshes_are_asked_for_and_refusals_are_said(browser: Client) -> None:
    ready = make_worker(cml_due_at=datetime.fromisoformat("2099-01-01T00:00:00+00:00"))
    off = make_worker(name="is-off", machine_state="stopped")

    text = action(browser, Worker, "refresh", ready, off).content.decode()

    assert "A refresh of 1 worker is on its way." in text
    assert "Is-off is stopped: there is nothing to ask while it is not running." in text
    ready.refresh_from_db()
    assert ready.refresh_asked_at
    assert Event.objects.filter(kind="worker.refresh", worker=ready).exists()


def test_what_a_role_may_not_it_is_not_offered_and_cannot_send(miguel: User, uma: User) -> None:
    worker = make_worker(machine_state="stopped")
    User.objects.filter(pk=uma.pk).update(is_staff=True)

    browser = signed_in(uma)
    offered = browser.get(address(Worker)).content.decode()
    assert 'value="refresh"' in offered
    assert 'value="start"' not in offered
    action(browser, Worker, "start", worker)

    assert not Operation.objects.exists()


def test_labs_are_started_stopped_and_backed_up(browser: Client) -> None:
    worker = make_worker()
    for name, kind in (("start", "lab_start"), ("stop", "lab_stop"), ("back_up", "lab_backup")):
        lab = make_lab(worker, state="STOPPED" if name == "start" else "STARTED")
        answer = action(browser, Lab, name, lab)
        assert answer.redirect_chain[0][0].startswith("/operations/batches/")
        assert Operation.objects.filter(kind=kind).exists()


def test_versions_are_kept_for_ever_or_not(browser: Client) -> None:
    version = version_of(make_lab(make_worker()))

    assert "1 version kept for ever." in action(browser, LabVersion, "pin", version).content.decode()
    version.refresh_from_db()
    assert version.pinned
    action(browser, LabVersion, "unpin", version)
    version.refresh_from_db()
    assert not version.pinned


def test_alerts_are_acknowledged_once(browser: Client, now: datetime) -> None:
    worker = make_worker()
    start = {"since": now, "opened_at": now, "changed_at": now}
    alert = Alert.objects.create(
        worker=worker, worker_name="w", kind="cpu", severity="warning", worst="warning", sentence="Hot", **start
    )

    assert "1 alert acknowledged." in action(browser, Alert, "acknowledge", alert).content.decode()
    alert.refresh_from_db()
    assert alert.acknowledged_name == "ada"
    again = action(browser, Alert, "acknowledge", alert).content.decode()
    assert "acknowledged." not in again.partition("messagelist")[2].partition("</ul>")[0].replace("already acknowledged", "")


def test_targets_are_switched_and_tested_and_notices_sent_again(browser: Client, now: datetime) -> None:
    target = NotificationTarget.objects.create(name="ops", kind="email", created_at=now, recipients=["a@example.com"])
    delivery = Delivery.objects.create(
        target=target,
        type="alert.opened",
        severity="warning",
        title="Hot",
        state="failed",
        created_at=now,
        due_at=now,
        expires_at=now,
    )

    assert "1 test on the way." in action(browser, NotificationTarget, "test", target).content.decode()
    assert "1 notice sent again." in action(browser, Delivery, "again", delivery).content.decode()
    assert "1 target switched off." in action(browser, NotificationTarget, "switch_off", target).content.decode()
    assert "Ops was off already." in action(browser, NotificationTarget, "switch_off", target).content.decode()
    assert "Ops is switched off." in action(browser, NotificationTarget, "test", target).content.decode()
    assert "1 target switched on." in action(browser, NotificationTarget, "switch_on", target).content.decode()
    assert Event.objects.filter(kind="notification.target").exists()


def test_an_action_needs_its_capability_even_when_the_list_is_seen(ada: User, uma: User) -> None:
    User.objects.filter(pk=uma.pk).update(is_staff=True)
    uma.user_permissions.add(Permission.objects.get(codename="view_notificationtarget"))
    target = NotificationTarget.objects.create(name="ops", kind="email", created_at=datetime.fromisoformat("2026-01-01T00:00Z"))

    action(signed_in(uma), NotificationTarget, "switch_off", target)

    target.refresh_from_db()
    assert target.enabled
