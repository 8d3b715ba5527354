"""A request that is sent twice is done once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import User
from cmlmanager.api import idempotency
from cmlmanager.api.models import KeptAnswer
from tests.api.test_requests import problem
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.models import Operation, Worker

pytestmark = pytest.mark.django_db


def start(browser: Client, worker: Worker, key: str, **body: Any) -> HttpResponse:
    return browser.post(
        f"/api/workers/{worker.pk}/start", body, content_type="application/json", headers={"Idempotency-Key": key}
    )


def test_a_repeat_gets_the_first_answer_and_nothing_is_done_again(ada: User) -> None:
    worker = make_worker(machine_state="stopped")
    browser = signed_in(ada)

    first, second, quoted = start(browser, worker, "k-1"), start(browser, worker, "k-1"), start(browser, worker, '"k-1"')

    assert first.status_code == second.status_code == quoted.status_code == 202
    assert first.json() == second.json() == quoted.json()
    assert second["Location"] == first["Location"]
    assert (second["Idempotency-Replayed"], first.has_header("Idempotency-Replayed")) == ("true", False)
    assert Operation.objects.count() == 1


def test_a_key_stands_for_one_request_of_one_person(ada: User, miguel: User) -> None:
    one, other = make_worker(name="one", machine_state="stopped"), make_worker(name="other", machine_state="stopped")
    browser = signed_in(ada)
    start(browser, one, "k", reason="a")

    problem(start(browser, one, "k", reason="b"), "key-reused")
    problem(start(browser, other, "k", reason="a"), "key-reused")
    assert start(signed_in(miguel), other, "k", reason="a").status_code == 202


def test_what_was_refused_may_be_tried_again_with_its_key(ada: User) -> None:
    worker = make_worker(machine_state="stopping")
    browser = signed_in(ada)

    problem(start(browser, worker, "k"), "refused")
    Worker.objects.update(machine_state="stopped")

    assert start(browser, worker, "k").status_code == 202


def test_a_mistake_leaves_neither_the_work_nor_the_key(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.api import life

    worker = make_worker(machine_state="stopped")
    browser = signed_in(ada)
    browser.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr(life, "accepted", lambda *_: 1 / 0)
        assert start(browser, worker, "k").status_code == 500

    assert not Operation.objects.exists()
    assert start(browser, worker, "k").status_code == 202


def test_while_the_first_is_being_done_a_repeat_is_told_to_wait(ada: User) -> None:
    worker = make_worker(machine_state="stopped")
    browser = signed_in(ada)
    start(browser, worker, "k")
    KeptAnswer.objects.update(status=None, claimed_at=timezone.now())

    answer = start(browser, worker, "k")

    problem(answer, "repeat-in-flight")
    assert answer["Retry-After"] == "1"


def test_a_key_whose_process_died_is_taken_over(ada: User) -> None:
    worker = make_worker(machine_state="stopped")
    browser = signed_in(ada)
    start(browser, worker, "k")
    Operation.objects.all().delete()
    KeptAnswer.objects.update(status=None, claimed_at=timezone.now() - timedelta(minutes=2))

    assert start(browser, worker, "k").status_code == 202
    assert Operation.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "two words", '"'])
def test_an_odd_key_is_refused(key: str, ada: User) -> None:
    worker = make_worker(machine_state="stopped")

    answer = start(signed_in(ada), worker, key)

    assert problem(answer, "invalid")["errors"][0]["pointer"] == "/Idempotency-Key"
    assert not Operation.objects.exists()


def test_answers_are_kept_encrypted_and_forgotten_in_time(ada: User, settings: Any) -> None:
    worker = make_worker(name="very-telling-name", machine_state="stopped")
    start(signed_in(ada), worker, "k")

    assert "very-telling-name" not in KeptAnswer.objects.get().answer_encrypted
    assert idempotency.prune(now=timezone.now() + timedelta(hours=23)) == 0
    assert idempotency.prune(now=timezone.now() + timedelta(hours=25)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_done(ada: User) -> None:
    worker = make_worker(machine_state="stopped")
    browsers = [signed_in(ada) for _ in range(4)]
    answers: list[int] = []
    ready = threading.Barrier(len(browsers))

    def send(browser: Client) -> None:
        ready.wait()
        answers.append(start(browser, worker, "k").status_code)
        connection.close()

    threads = [threading.Thread(target=send, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(answers) <= {202, 409}
    assert 202 in answers
    assert Operation.objects.count() == 1
