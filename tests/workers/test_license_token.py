"""A registration token is nowhere in clear: not in the database, a task message, the stream, a log, a page or an answer; and it does not stay."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from django.test import Client
from django.utils import timezone

from accounts.models import User
from cmlmanager.live import publisher
from tests.conftest import signed_in
from tests.licensing import cml_process, run_once, server, to_end, worker_on
from tests.operating import by
from tests.planted import database, everything_in
from tests.redis_server import RedisServer, redis_server
from tests.simulated_cml import SimulatedCml
from workers import queue
from workers.models import LicenseToken, Operation, Worker
from workers.services import vault
from workers.services.licenses import requests, tokens

__all__ = ["cml_process", "redis_server", "server"]
pytestmark = pytest.mark.django_db

PLANTED = "UExBTlRFRC10b2tlbi1ub2JvZHktbWF5LXJlYWQ%3D"


@pytest.mark.parametrize("token", [PLANTED, f"expired{PLANTED}"])
def test_it_is_in_clear_nowhere(
    token: str,
    server: SimulatedCml,
    redis_server: RedisServer,
    ada: User,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(queue, "current_app", Celery(broker=redis_server.url, set_as_current=False))
    monkeypatch.setattr(publisher, "_publisher", publisher.Publisher(redis_server.url))
    worker = worker_on(server)
    server.change(licensing={"registration": "409"})  # so that it has to wait, encrypted
    browser = signed_in(ada)
    seen = ""

    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post(f"/workers/{worker.pk}/license/register/", {"token": token, "reason": "new seat"}, follow=True)
    seen += answer.content.decode()
    operation = Operation.objects.get()
    assert "Registering w" in seen
    stored = LicenseToken.objects.get()
    assert vault.decrypt(stored.token_encrypted) == token
    with django_capture_on_commit_callbacks(execute=True):
        run_once(operation)
    queued = everything_in(redis_server)
    assert str(operation.pk) in queued
    seen += queued + database() + pages(browser, worker, operation)

    server.change(licensing={"registration": ""})
    with django_capture_on_commit_callbacks(execute=True):
        to_end(operation)

    assert not LicenseToken.objects.exists()
    seen += everything_in(redis_server) + database() + pages(browser, worker, operation) + caplog.text
    seen += json.dumps([record.__dict__ for record in caplog.records], default=repr)
    for piece in (token, PLANTED, PLANTED[:16], PLANTED[-18:]):
        assert piece not in seen


def pages(browser: Client, worker: Worker, operation: Operation) -> str:
    addresses = [
        worker.get_absolute_url(),
        operation.get_absolute_url(),
        "/",
        "/operations/",
        "/audit/",
        "/audit/export.csv",
        "/licences/",
    ]
    addresses += [f"{worker.get_absolute_url()}license/register/", f"/admin/workers/operation/{operation.pk}/change/"]
    return "".join(b"".join(browser.get(address)).decode() for address in addresses)


def test_a_refused_form_does_not_show_it_again(ada: User, server: SimulatedCml) -> None:
    worker = worker_on(server)
    bad = f"{PLANTED}!not a token"

    answer = signed_in(ada).post(f"/workers/{worker.pk}/license/register/", {"token": bad, "nodes": "-4"})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "That is not a registration token" in page
    assert PLANTED not in page
    assert not Operation.objects.exists()


def test_an_error_page_does_not_show_it(
    ada: User, server: SimulatedCml, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    worker = worker_on(server)
    settings.DEBUG = False
    settings.SECRETS_KEYS = ["no key"]  # the vault raises inside the request
    browser = signed_in(ada)
    browser.raise_request_exception = False

    answer = browser.post(f"/workers/{worker.pk}/license/register/", {"token": PLANTED})

    assert answer.status_code == 500
    assert PLANTED not in answer.content.decode() + caplog.text
    assert not Operation.objects.exists()


def ask(worker: Worker, person: User) -> Operation:
    return requests.ask_registration(
        worker=worker, token=PLANTED, reregister=False, nodes=None, by=by(person), now=timezone.now()
    )


def test_it_goes_when_the_operation_ends_in_any_way(server: SimulatedCml, ada: User) -> None:
    worker = worker_on(server)
    operation = ask(worker, ada)
    Worker.objects.filter(pk=worker.pk).update(machine_state="stopping")

    run_once(operation)

    assert operation.state == "refused"
    assert "w is stopping" in operation.sentence
    assert not LicenseToken.objects.exists()


def test_it_is_swept_when_it_is_old(server: SimulatedCml, ada: User) -> None:
    operation = ask(worker_on(server), ada)
    assert tokens.sweep(now=timezone.now()) == 0

    assert tokens.sweep(now=timezone.now() + timedelta(hours=2)) == 1

    assert run_once(operation).state == "refused"
    assert operation.sentence == "The token waited too long and was deleted. Ask again."


def test_one_that_no_key_opens_any_more_ends_the_operation(server: SimulatedCml, ada: User, settings: Any) -> None:
    from cryptography.fernet import Fernet

    worker = worker_on(server)
    operation = ask(worker, ada)
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]

    run_once(operation)

    assert operation.state == "failed"
    assert "cannot be read any more" in operation.sentence
    assert not LicenseToken.objects.exists()
