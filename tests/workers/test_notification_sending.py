"""The outbox is emptied: in which order, again when, and never twice at once."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tests.makers import make_worker
from tests.notification_receivers import Receiver, answer, make_webhook, notice, receiving
from workers.models import Delivery, Event, NotificationTarget
from workers.services.notifications import post, results, sending, upkeep

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """The real one: signatures are checked against the clock."""
    return timezone.now()


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.NOTIFY_PRIVATE_NETWORKS = settings.NOTIFY_LOOPBACK = True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def states() -> list[str]:
    return list(Delivery.objects.order_by("id").values_list("state", flat=True))


def test_what_is_sent_is_a_genuine_event_with_a_link_when_the_portal_knows_its_address(
    now: datetime, receiver: Receiver, settings: Any
) -> None:
    worker = make_worker(name="bootcamp-a")
    target = make_webhook(receiver.url, now=now)
    post(notice(worker_id=worker.pk, worker_name="bootcamp-a"), now=now)
    sending.send_due(now=now)
    settings.PORTAL_URL = "https://portal.example.com"
    post(notice(2), now=now)
    sending.send_due(now=now)

    without, with_link = receiver.events()
    delivery = Delivery.objects.earliest("id")
    assert without.get_type() == "com.github.cml-cloud-manager.alert.opened"
    assert (without.get_id(), without.get_source()) == (str(delivery.event_id), "urn:cml-cloud-manager")
    assert without.get_subject() == f"workers/{worker.pk}"
    assert without.get_data() == {
        "severity": "warning",
        "title": "CPU of worker-001 above 90 %",
        "sentence": "CPU of worker-001 is at 97 %, above the line of 90 %, for 10 minutes.",
        "worker": {"id": str(worker.pk), "name": "bootcamp-a"},
        "facts": {"kind": "cpu", "value": 97.0},
    }
    assert with_link.get_data()["link"] == "https://portal.example.com/alerts/"  # type: ignore[index, call-overload]
    assert (delivery.state, delivery.attempts, delivery.status) == ("sent", 1, 204)
    assert delivery.took_ms is not None
    target.refresh_from_db()
    assert target.succeeded_at is not None
    assert target.lease_owner is None


def test_notices_arrive_in_the_order_in_which_they_were_written(now: datetime, receiver: Receiver) -> None:
    make_webhook(receiver.url, now=now)
    for number in range(1, 31):
        post(notice(number), now=now)
    sending.send_due(now=now)
    assert receiver.titles == [notice(number).title for number in range(1, 31)]


def test_500_is_tried_again_later_with_the_same_id_and_order_is_kept(now: datetime, receiver: Receiver) -> None:
    receiver.behaviours += [answer(500, b"busy"), answer(500)]
    target = make_webhook(receiver.url, now=now)
    for number in (1, 2, 3):
        post(notice(number), now=now)

    assert sending.send_due(now=now) == 1  # the others wait: a target that fails is not knocked at for each
    first = Delivery.objects.earliest("id")
    assert (first.state, first.attempts, first.status, first.answer) == ("pending", 1, 500, "busy")
    assert timedelta(seconds=30) <= first.due_at - now <= timedelta(seconds=50)
    target.refresh_from_db()
    assert target.failing_since is not None
    assert target.failing_reason == "127.0.0.1 answers 500 Internal Server Error."
    assert sending.send_due(now=now + timedelta(seconds=1)) == 0

    sending.send_due(now=now + timedelta(seconds=10))  # the second fails, too
    sending.send_due(now=now + timedelta(minutes=1))
    sending.send_due(now=now + timedelta(minutes=1, seconds=5))

    assert receiver.ids[0] == receiver.ids[2] == str(first.event_id)
    assert receiver.titles[2:] == [notice(number).title for number in (1, 2, 3)]
    assert states() == ["sent"] * 3
    target.refresh_from_db()
    assert (target.failing_since, target.failures, target.failing_reason) == (None, 0, "")


def test_one_notice_that_is_not_taken_does_not_hold_the_others_up(now: datetime, receiver: Receiver) -> None:
    receiver.behaviours += [answer(500)]
    make_webhook(receiver.url, now=now)
    for number in (1, 2, 3):
        post(notice(number), now=now)
    sending.send_due(now=now)
    sending.send_due(now=now + timedelta(seconds=9))
    assert states() == ["pending", "sent", "sent"]
    assert Delivery.objects.earliest("id").due_at >= now + timedelta(seconds=30)


def test_retry_after_is_honoured(now: datetime, receiver: Receiver) -> None:
    receiver.behaviours += [answer(429, Retry_After="120")]
    make_webhook(receiver.url, now=now)
    post(notice(), now=now)
    post(notice(2), now=now)

    sending.send_due(now=now)
    assert sending.send_due(now=now + timedelta(seconds=119)) == 0
    assert sending.send_due(now=now + timedelta(seconds=121)) == 2
    assert states() == ["sent", "sent"]


def test_after_eight_tries_it_is_given_up_within_a_day(now: datetime, receiver: Receiver) -> None:
    receiver.behaviours += [answer(503)] * 20
    make_webhook(receiver.url, now=now)
    post(notice(), now=now)
    moment, spans = now, []
    while (delivery := Delivery.objects.get()).state == "pending":
        moment = max(moment, delivery.next_try or moment)
        spans.append(moment - now)
        sending.send_due(now=moment)

    assert (delivery.attempts, delivery.state, len(receiver.requests)) == (8, "failed", 8)
    assert len(set(receiver.ids)) == 1
    assert timedelta(hours=8) < spans[-1] < timedelta(hours=24)
    assert all(later - earlier > timedelta(seconds=29) for earlier, later in itertools.pairwise(spans))


def test_pauses_are_spread_so_that_they_do_not_come_back_as_one() -> None:
    assert len({results.delay_after(1) for _ in range(20)}) > 10


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_what_is_refused_is_final_and_the_next_is_sent_at_once(status: int, now: datetime, receiver: Receiver) -> None:
    receiver.behaviours += [answer(status)]
    make_webhook(receiver.url, now=now)
    post(notice(1), now=now)
    post(notice(2), now=now)
    sending.send_due(now=now)
    assert states() == ["failed", "sent"]
    assert Delivery.objects.earliest("id").sentence.startswith(f"127.0.0.1 refuses the message: {status}")


def test_410_switches_the_target_off_with_a_sentence_and_drops_what_waits(now: datetime, receiver: Receiver) -> None:
    receiver.behaviours += [answer(410)]
    target = make_webhook(receiver.url, now=now, name="Old hook")
    post(notice(1), now=now)
    post(notice(2), now=now)

    sending.send_due(now=now)

    target.refresh_from_db()
    assert not target.enabled
    assert target.off_because == "127.0.0.1 answers 410 Gone: nobody wants these notices any more."
    assert states() == ["failed", "dropped"]
    event = Event.objects.get(kind="notification.target")
    assert (event.after, event.actor_kind) == ("“Old hook” switched off", "system")
    assert len(receiver.requests) == 1


def test_failing_for_long_and_working_again_are_events(now: datetime, receiver: Receiver) -> None:
    receiver.behaviours += [answer(500)] * 6
    make_webhook(receiver.url, now=now, name="Pager")
    for minutes in (0, 5, 14):
        post(notice(), now=now)
        sending.send_due(now=now + timedelta(minutes=minutes))
    assert not Event.objects.exists()

    for minutes in (40, 100, 200):
        sending.send_due(now=now + timedelta(minutes=minutes))
    [told] = Event.objects.all()
    assert told.kind == "notification.failing"
    assert told.after.startswith("“Pager” fails since ")
    assert told.detail == "127.0.0.1 answers 500 Internal Server Error."

    sending.send_due(now=now + timedelta(minutes=500))
    assert Event.objects.latest("id").kind == "notification.well"
    assert Event.objects.count() == 2


def test_a_target_that_hangs_and_a_dead_one_delay_no_other(now: datetime) -> None:
    with ExitStack() as stack:
        stuck, quick = stack.enter_context(receiving()), stack.enter_context(receiving())
        stuck.behaviours += [stuck.hang] * 3
        with receiving() as gone:
            dead_url = gone.url
        for url in (stuck.url, dead_url, quick.url):
            make_webhook(url, now=now)
        for number in range(1, 6):
            post(notice(number), now=now)
        threading.Timer(1.0, stuck.released.set).start()
        begun = time.monotonic()
        sending.send_due(now=now)
        took = time.monotonic() - begun
    rows = {one.pk: list(one.deliveries.order_by("id")) for one in NotificationTarget.objects.order_by("name")}
    by_name = list(rows.values())
    assert [one.state for one in by_name[2]] == ["sent"] * 5
    slowest = max(one.tried_at - now for one in by_name[2] if one.tried_at)
    assert slowest < timedelta(seconds=0.9) < timedelta(seconds=took)
    assert by_name[0][0].state == by_name[1][0].state == "pending"
    assert by_name[1][0].sentence == "127.0.0.1 could not be reached."


def _send_in_thread(now: datetime) -> None:
    try:
        sending.send_due(now=now)
    finally:
        connection.close()


# ── Never twice at once, never lost ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_send_each_notice_once(now: datetime, receiver: Receiver) -> None:
    for _ in range(3):
        make_webhook(receiver.url, now=now)
    for number in range(1, 11):
        post(notice(number), now=now)
    threads = [threading.Thread(target=_send_in_thread, args=(now,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    sending.send_due(now=now)

    assert len(receiver.requests) == 30
    assert sorted(receiver.ids) == sorted(str(one) for one in Delivery.objects.values_list("event_id", flat=True))
    assert set(states()) == {"sent"}
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_a_sender_that_is_killed_between_sending_and_writing_it_down_is_followed_by_the_same_event(
    now: datetime, receiver: Receiver, settings: Any
) -> None:
    started = threading.Event()
    process: subprocess.Popen[bytes] | None = None

    def kill_the_sender(handler: BaseHTTPRequestHandler) -> None:
        started.wait(20)
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        handler.close_connection = True

    receiver.behaviours += [kill_the_sender]
    make_webhook(receiver.url, now=now)
    post(notice(), now=now)
    process = subprocess.Popen([sys.executable, "-c", SENDER], cwd=ROOT, env=os.environ | environment(settings))
    started.set()
    assert receiver.arrived.wait(30)
    assert process.wait(30) == -signal.SIGKILL

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("pending", 1)
    assert sending.send_due(now=now + timedelta(seconds=60)) == 0  # the dead one's lease still holds
    assert sending.send_due(now=now + timedelta(seconds=200)) == 1

    assert receiver.ids == [str(delivery.event_id)] * 2
    assert receiver.requests[0][1] == receiver.requests[1][1]  # the same event, byte for byte
    assert states() == ["sent"]


SENDER = """
import django; django.setup()
from django.utils import timezone
from workers.services.notifications import sending
sending.send_due(now=timezone.now())
"""


def environment(settings: Any) -> dict[str, str]:
    """What lets another process work on the test's own database."""
    found = connection.settings_dict
    url = f"sqlite:///{found['NAME']}"
    if connection.vendor == "postgresql":
        url = f"postgres://{found['USER']}:{found['PASSWORD']}@{found['HOST']}:{found['PORT'] or 5432}/{found['NAME']}"
    return {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "cmlmanager.settings",
        "SECRETS_KEYS": ",".join(settings.SECRETS_KEYS),
        "NOTIFY_PRIVATE_NETWORKS": "1",
        "NOTIFY_LOOPBACK": "1",
    }


def test_what_is_older_than_a_day_is_given_up_even_while_its_target_rests(now: datetime, receiver: Receiver) -> None:
    make_webhook(receiver.url, now=now, paused_until=now + timedelta(days=2))
    post(notice(), now=now)
    sending.send_due(now=now + timedelta(hours=25))
    assert states() == ["failed"]
    assert receiver.requests == []
    assert Delivery.objects.get().sentence.startswith("Not sent within a day")


def test_a_key_that_is_gone_is_said_and_the_notice_waits_for_it(now: datetime, receiver: Receiver, settings: Any) -> None:
    from cryptography.fernet import Fernet

    target = make_webhook(receiver.url, now=now)
    post(notice(), now=now)
    keys = settings.SECRETS_KEYS
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    sending.send_due(now=now)
    target.refresh_from_db()
    assert "SECRETS_KEYS" in target.failing_reason
    settings.SECRETS_KEYS = keys
    sending.send_due(now=now + timedelta(minutes=1))
    assert states() == ["sent"]


def test_old_deliveries_and_old_secrets_go_but_not_what_waits(now: datetime, settings: Any) -> None:
    settings.NOTIFICATION_DAYS = 30
    target = make_webhook(
        "https://hooks.example.com/", now=now, previous_secret_encrypted="x", previous_secret_until=now - timedelta(seconds=1)
    )
    for days in (40, 31, 29):
        post(notice(), now=now - timedelta(days=days))
    Delivery.objects.filter(pk__gt=Delivery.objects.earliest("id").pk).update(state="failed")

    assert upkeep.prune(now=now) == 1
    assert states() == ["pending", "failed"]
    target.refresh_from_db()
    assert (target.previous_secret_encrypted, target.previous_secret_until) == ("", None)


def test_the_beat_ticks_the_sender_and_the_retention(settings: Any) -> None:
    from celery import current_app

    tasks = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert {"workers.send_notifications", "workers.prune_deliveries"} <= tasks
    current_app.loader.import_default_modules()
    assert {"workers.send_notifications", "workers.prune_deliveries"} <= set(current_app.tasks)
    current_app.tasks["workers.send_notifications"].apply(throw=True)
