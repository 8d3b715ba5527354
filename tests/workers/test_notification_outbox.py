"""Who is told of what: the outbox is filled in the transaction of the change, by the filters of the targets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tests.makers import make_worker
from tests.notification_receivers import make_webhook, notice, receiving
from workers.models import Delivery
from workers.services.notifications import post, post_all, sending

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def test_a_notice_is_one_row_for_every_target_with_one_event_id_and_nothing_is_sent(now: datetime) -> None:
    with receiving() as receiver:
        for _ in range(3):
            make_webhook(receiver.url, now=now)
        make_webhook(receiver.url, now=now, enabled=False)

        assert post(notice(), now=now) == 3

        assert Delivery.objects.count() == 3
        assert Delivery.objects.values("event_id").distinct().count() == 1
        assert receiver.requests == []


def test_a_thousand_notices_are_written_in_a_few_statements(now: datetime, django_assert_max_num_queries: Any) -> None:
    worker = make_worker(region="us-west-2", tags={"Team": "training"})
    make_webhook("https://hooks.example.com/", now=now)
    make_webhook("https://hooks.example.com/", now=now, regions=["us-west-2"])
    notices = [notice(number, worker_id=worker.pk if number % 2 else None) for number in range(1, 1001)]
    with django_assert_max_num_queries(40):  # SQLite takes about fifty rows a statement
        assert post_all(notices, now=now) == 1500
    assert list(Delivery.objects.order_by("id").values_list("title", flat=True)[:3]) == [notices[0].title] * 2 + [
        notices[1].title
    ]


def test_what_is_rolled_back_is_not_told(now: datetime) -> None:
    make_webhook("https://hooks.example.com/", now=now)
    with transaction.atomic():
        post(notice(), now=now)
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()
    assert sending.send_due(now=now) == 0


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"minimum": "info"}, True),
        ({"minimum": "warning"}, True),
        ({"minimum": "critical"}, False),
        ({"types": ["alert.opened"]}, True),
        ({"types": ["alert.closed"]}, False),
        ({"regions": ["us-east-1", "us-west-2"]}, True),
        ({"regions": ["us-west-2"]}, False),
        ({"tag": "Team"}, True),
        ({"tag": "Team=training"}, True),
        ({"tag": "Team=sales"}, False),
        ({"tag": "Owner"}, False),
        ({"tell_closed": False}, True),
        ({"regions": ["us-east-1"], "tag": "Team=sales"}, False),
    ],
    ids=str,
)
def test_filters(filters: dict[str, Any], told: bool, now: datetime) -> None:
    worker = make_worker(region="us-east-1", tags={"Team": "training"})
    make_webhook("https://hooks.example.com/", now=now, **filters)
    assert post(notice(worker_id=worker.pk, worker_name="w"), now=now) == int(told)


def test_closing_is_told_unless_it_is_not_wanted(now: datetime) -> None:
    make_webhook("https://hooks.example.com/", now=now)
    make_webhook("https://hooks.example.com/", now=now, tell_closed=False)
    assert post(notice(type="alert.closed"), now=now) == 1


def test_a_notice_of_no_worker_passes_a_region_filter_only_when_it_names_the_region(now: datetime) -> None:
    make_webhook("https://hooks.example.com/", now=now, regions=["us-east-1"])
    assert post(notice(), now=now) == 0
    assert post(notice(data={"region": "us-east-1"}), now=now) == 1


def test_odd_facts_do_not_undo_the_change_that_they_report(now: datetime) -> None:
    make_webhook("https://hooks.example.com/", now=now)
    odd = {"nan": float("nan"), "nul": "a\0b", "at": now, 3: {"set": {1}}, "long": "x"}
    post(notice(title="a\r\nBcc: evil@example.com\0" + "x" * 300, data=odd), now=now)
    post(notice(data={"long": "x" * 50_000}), now=now)

    first, second = Delivery.objects.order_by("id")
    assert first.title.startswith("a Bcc: evil@example.com xxx")
    assert len(first.title) == 200
    assert first.payload["data"]["nan"] is None
    assert first.payload["data"]["nul"] == "ab"
    assert first.payload["data"]["3"] == {"set": [1]}
    assert second.payload["data"] == {"left_out": "These facts were too long to send."}
