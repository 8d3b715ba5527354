"""Passwords, session tokens and signing secrets in use, and then looked for: in the database, Redis, logs, pages and the history's file."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from celery import Celery
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from accounts.models import User
from cmlmanager.live import publisher
from tests.conftest import signed_in
from tests.licensing import cml_process, server, worker_on
from tests.planted import database, everything_in
from tests.redis_server import RedisServer, redis_server
from tests.simulated_cml import PASSWORD, USERNAME, SimulatedCml
from workers import queue
from workers.models import Delivery, NotificationTarget, Worker
from workers.services import vault
from workers.services.cml_refresh import refresh_cml
from workers.services.notifications import Notice, post, sending

__all__ = ["cml_process", "redis_server", "server"]
pytestmark = pytest.mark.django_db

WRONG = "planted-wrong-password-4711"
SIGNING = "whsec_cGxhbnRlZC1zaWduaW5nLXNlY3JldC1mb3ItdGVzdHM="
ADDRESS = "https://127.0.0.1:9/planted-path-of-the-webhook"
SMTP = "planted-smtp-password-0815"
# CML's session tokens: a JWT's header begins so, whatever is in it.
SESSION = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}")


def test_what_is_secret_is_in_clear_nowhere(
    server: SimulatedCml,
    redis_server: RedisServer,
    ada: User,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(queue, "current_app", Celery(broker=redis_server.url, set_as_current=False))
    monkeypatch.setattr(publisher, "_publisher", publisher.Publisher(redis_server.url))
    settings.CML_PASSWORD, settings.EMAIL_HOST_PASSWORD = WRONG, SMTP
    settings.NOTIFY_PRIVATE_NETWORKS = True
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=False)
    browser = signed_in(ada)
    worker = worker_on(server)
    assert worker.service_state == "refused"

    own = {"cml_username": USERNAME, "cml_password": PASSWORD, "address_kind": "custom", "custom_endpoint": server.base_url}
    with django_capture_on_commit_callbacks(execute=True):
        saved = browser.post(f"/workers/{worker.pk}/connection/", own | {"tls_policy": "off"})
    assert saved.status_code == 302
    target = NotificationTarget.objects.create(
        name="Program",
        kind="webhook",
        address_encrypted=vault.encrypt(ADDRESS),
        address_hint="127.0.0.1",
        secret_encrypted=vault.encrypt(SIGNING),
        minimum="info",
        created_at=timezone.now(),
    )
    with django_capture_on_commit_callbacks(execute=True):
        refresh_cml(now=timezone.now())
        post(Notice(type="alert.opened", severity="critical", title="t", sentence="s"), now=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        sending.send_due(now=timezone.now())

    worker.refresh_from_db()
    assert worker.service_state == "ready"  # so the password was right, and a session was opened
    assert Delivery.objects.filter(title="t", attempts=1).exists()
    pages = everything_to_see(browser, worker, target)
    found = {"the database": database(), "Redis": everything_in(redis_server), "the log": caplog.text, "a page": pages}
    for place, text in found.items():
        for secret in (PASSWORD, WRONG, SIGNING, SIGNING[6:], ADDRESS, ADDRESS[-20:], SMTP):
            assert secret not in text, place
        assert not SESSION.search(text), place


def everything_to_see(browser: Client, worker: Worker, target: NotificationTarget) -> str:
    """Every page about this worker and this target, and every list."""
    texts = []
    for pattern in get_resolver("workers.urls").url_patterns:
        assert isinstance(pattern, URLPattern)
        address = str(pattern.pattern).replace("<uuid:worker_id>", str(worker.pk)).replace("<uuid:target_id>", str(target.pk))
        if "<" not in address:
            answer = browser.get(f"/{address}")
            texts.append(b"".join(answer).decode() if answer.status_code == 200 else "")
    assert sum(map(bool, texts)) > 20
    desk = [f"/admin/workers/{model}/{row.pk}/change/" for model, row in (("worker", worker), ("notificationtarget", target))]
    for address in desk:
        answer = browser.get(address)
        assert answer.status_code == 200
        texts.append(answer.content.decode())
    return "".join(texts)
