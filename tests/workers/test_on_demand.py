"""A person asks for fresh knowledge: accepted, or one of four refusals with the seconds to wait."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from tests.conftest import signed_in
from tests.makers import make_worker
from workers.models import Event, Worker
from workers.services.on_demand import LEASE, PER_PERSON, UnableToRefresh, request_refresh

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def idle_worker(now: datetime, **overrides: object) -> Worker:
    """Refreshed a moment ago, due again in a few minutes."""
    return make_worker(
        **(
            {"aws_due_at": now + 40 * SECOND, "cml_due_at": now + 200 * SECOND, "metrics_due_at": now + 200 * SECOND}
            | overrides
        )
    )


def refusal(worker: Worker, by: User, now: datetime) -> UnableToRefresh:
    with pytest.raises(UnableToRefresh) as caught:
        request_refresh(worker=worker, by=by, now=now)
    return caught.value


def test_an_accepted_request_makes_the_worker_due_now_and_is_told_in_the_timeline(uma: User, now: datetime) -> None:
    worker = idle_worker(now)

    request_refresh(worker=worker, by=uma, now=now)

    worker.refresh_from_db()
    assert (worker.aws_due_at, worker.cml_due_at, worker.refresh_asked_at) == (now, now, now)
    event = Event.objects.get(worker=worker)
    assert (event.kind, event.actor_name) == ("worker.refresh", "uma")


@pytest.mark.parametrize("state", ["pending", "stopping", "stopped", "shutting-down", "terminated", "failed", "lost"])
def test_a_machine_that_does_not_run_is_not_asked(state: str, uma: User, now: datetime) -> None:
    worker = idle_worker(now, machine_state=state, service_state="unknown")

    refused = refusal(worker, uma, now)

    assert (refused.reason, refused.wait_seconds) == ("not_running", 0)
    assert "not running" in refused.sentence


def test_a_second_request_is_told_that_the_first_is_on_its_way(uma: User, miguel: User, now: datetime) -> None:
    worker = idle_worker(now)
    request_refresh(worker=worker, by=uma, now=now)

    refused = refusal(Worker.objects.get(pk=worker.pk), miguel, now + 7 * SECOND)

    assert (refused.reason, refused.wait_seconds) == ("already_queued", 113)
    assert "7 s ago" in refused.sentence


def test_of_two_who_press_at_the_same_moment_one_is_accepted(uma: User, miguel: User, now: datetime) -> None:
    worker = idle_worker(now)
    seen_by_both = Worker.objects.get(pk=worker.pk)
    request_refresh(worker=worker, by=uma, now=now)

    assert refusal(seen_by_both, miguel, now).reason == "already_queued"
    assert Event.objects.filter(worker=worker).count() == 1


def test_a_request_that_nobody_served_does_not_block_for_ever(uma: User, now: datetime) -> None:
    worker = idle_worker(now, refresh_asked_at=now - LEASE)

    request_refresh(worker=worker, by=uma, now=now)

    worker.refresh_from_db()
    assert worker.refresh_asked_at == now


@pytest.mark.parametrize(("due", "wait"), [(timedelta(seconds=8), 8), (timedelta(seconds=-3), 0), (None, 0)])
def test_what_is_about_to_run_anyway_is_not_queued_again(due: timedelta | None, wait: int, uma: User, now: datetime) -> None:
    worker = idle_worker(now, cml_due_at=now + due if due is not None else None)

    refused = refusal(worker, uma, now)

    assert (refused.reason, refused.wait_seconds) == ("about_to_run", wait)


def test_the_same_worker_cannot_be_refreshed_all_the_time(uma: User, now: datetime) -> None:
    worker = idle_worker(now, refreshed_on_demand_at=now - 12 * SECOND)

    refused = refusal(worker, uma, now)

    assert (refused.reason, refused.wait_seconds) == ("rate_limited", 18)
    request_refresh(worker=worker, by=uma, now=now + 18 * SECOND)


def test_one_person_cannot_refresh_the_whole_fleet_at_once(uma: User, miguel: User, now: datetime) -> None:
    for offset in range(PER_PERSON):
        request_refresh(worker=idle_worker(now), by=uma, now=now + offset * SECOND)

    refused = refusal(idle_worker(now), uma, now + 20 * SECOND)

    assert (refused.reason, refused.wait_seconds) == ("rate_limited", 40)
    request_refresh(worker=idle_worker(now), by=miguel, now=now + 20 * SECOND)


def test_the_page_says_the_sentence_and_the_seconds_with_and_without_htmx(uma: User) -> None:
    worker = make_worker(machine_state="stopped", service_state="unknown", name="sleepy")
    browser = signed_in(uma)
    address = f"/workers/{worker.pk}/refresh/"

    fragment = browser.post(address, headers={"HX-Request": "true"})
    page = browser.post(address, follow=True)

    assert fragment.status_code == 200
    assert "<html" not in fragment.content.decode()
    for answer in (fragment, page):
        assert "sleepy is stopped" in answer.content.decode()


def test_a_request_is_accepted_while_redis_is_away(uma: User, django_capture_on_commit_callbacks: object) -> None:
    """The test run has no Redis: the request stays due in the database for beat's next tick."""
    from django.utils import timezone

    worker = idle_worker(timezone.now())
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        answer = signed_in(uma).post(f"/workers/{worker.pk}/refresh/", headers={"HX-Request": "true"})

    assert answer.status_code == 200
    worker.refresh_from_db()
    assert worker.refresh_asked_at is not None
