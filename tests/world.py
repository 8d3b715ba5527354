"""One database for thousands of requests: every kind of person with a browser, and one of everything that an address can name."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.services import tokens
from labs.models import Lab
from tests.access import PEOPLE, TOKENS
from tests.conftest import person_of, signed_in
from tests.labs.makers import make_lab
from tests.labs.saving import version_of
from tests.makers import make_worker
from tests.workers.test_alert_pages import make_alert
from tests.workers.test_license_pages import doubt, licensed
from tests.workers.test_operations_pages import make_operation
from workers.models import Delivery, Event, NotificationTarget
from workers.services import vault

PASSWORD = "not-a-word-of-any-list"


@dataclass(frozen=True)
class World:
    """Browsers by person, headers by token, ids that rows of tests.access name, and ids by the name of a route's argument."""

    people: dict[str, User]
    browsers: dict[str, Client]
    headers: dict[str, dict[str, str]]
    things: dict[str, str]
    real: dict[str, str]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """The same for all tests of a module; what their requests write is taken back by tests.routes.ask."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield _make()
        transaction.set_rollback(True)


def _make() -> World:
    roles = dict(zip(PEOPLE[1:], (None, *Role), strict=True))
    people = {name: person_of(name.replace(" ", "-"), role) for name, role in roles.items()}
    User.objects.update(password=make_password(PASSWORD))
    User.objects.filter(pk=people["admin"].pk).update(is_staff=True)
    for person in people.values():
        person.refresh_from_db()
    worker = licensed(name="Zürich <1>", tags={"Team": "<b>training</b>"})
    lab = make_lab(worker)
    version = version_of(lab)
    browsers = {"signed out": Client()} | {name: signed_in(person) for name, person in people.items()}
    browsers |= {name: Client() for name in TOKENS}
    return World(
        people=people,
        browsers=browsers,
        headers=_tokens(people),
        things={"worker": str(worker.pk), "lab": str(lab.pk), "version": str(version.pk)},
        real=_everything(lab, people) | {"worker_id": str(worker.pk), "lab_id": str(lab.pk), "version_id": str(version.pk)},
    )


def _tokens(people: dict[str, User]) -> dict[str, dict[str, str]]:
    """The header that a token of each scope sends, in the hands of an administrator: the scope is what counts."""
    person, now = people["admin"], timezone.now()
    made = {
        name: tokens.make(person, name=name, scope=scope, days=1, by=person, address=None, now=now)[1]
        for name, scope in zip(TOKENS, Role, strict=True)
    }
    return {name: {"Authorization": f"Bearer {text}"} for name, text in made.items()}


def _everything(lab: Lab, people: dict[str, User]) -> dict[str, str]:
    """Something for every kind of page."""
    worker, now = lab.worker, timezone.now()
    batch = uuid.uuid4()
    operation = make_operation(worker, actor=people["admin"], batch=batch, sentence="Done <well>.")
    make_operation(worker, kind="start", batch=batch, state="running")
    for number in range(3):
        make_operation(make_worker(service_state="degraded"), state="failed", sentence=f"Failed {number}.")
    alert = make_alert(worker)
    target = NotificationTarget.objects.create(
        kind="webhook",
        name="Pager",
        created_at=now,
        address_encrypted=vault.encrypt("https://example.com/hook"),
        secret_encrypted=vault.encrypt("whsec_x"),
    )
    times = dict.fromkeys(("created_at", "due_at", "expires_at"), now)
    delivery = Delivery.objects.create(target=target, type="alert.opened", severity="warning", title="CPU", **times)
    Event.objects.create(
        at=now,
        kind="person.role",
        subject_name="uma",
        actor_kind="person",
        actor=people["admin"],
        actor_name="admin",
        before="User",
        after="Manager",
    )
    Event.objects.create(
        at=now, kind="worker.state", worker=worker, worker_name=str(worker), actor_kind="ec2", before="Running", after="Stopped"
    )
    return {
        "operation_id": str(operation.pk),
        "batch_id": str(batch),
        "alert_id": str(alert.pk),
        "target_id": str(target.pk),
        "delivery_id": str(delivery.pk),
        "seat_id": str(doubt(worker).pk),
        "id": str(people["user"].pk),
    }


def confirmed(browser: Client, person: User) -> Client:
    """A browser of somebody who has just confirmed that it is them."""
    request = HttpRequest()
    request.session = session = browser.session
    request.user = person
    record_authentication(request, person, method="password", reauthenticated=True, at=time.time())
    session.save()
    return browser
