"""What happens to an alert reaches the outbox: in the same transaction, for the targets that want it, for many at once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.workers.alerting import healthy, judged
from workers.models import Alert, Delivery, NotificationTarget
from workers.services.alerts import acknowledging
from workers.services.alerts.acknowledging import Seen
from workers.services.alerts.evaluation import evaluate
from workers.services.operations.asking import Asker
from workers.services.record import Actor

pytestmark = pytest.mark.django_db


@pytest.fixture
def everything(now: datetime) -> NotificationTarget:
    """A mailbox that wants all there is."""
    return NotificationTarget.objects.create(
        name="Operators", kind="email", recipients=["ops@example.com"], minimum="info", created_at=now
    )


def told() -> list[tuple[str, str, str]]:
    return list(Delivery.objects.order_by("id").values_list("type", "severity", "title"))


def test_every_change_is_posted_with_its_words(now: datetime, everything: NotificationTarget, ada: User) -> None:
    worker = healthy(now, name="ccnp-01", license_state="unregistered")
    judged(now, worker)
    judged(now + timedelta(minutes=1), worker, license_state="expired")
    alert = Alert.objects.get()
    ask = Asker(actor=Actor(kind="person", user=ada))  # type: ignore[arg-type]
    acknowledging.acknowledge(seen=[Seen(alert.pk, alert.severity)], note="A new token is ordered.", by=ask, now=now)
    judged(now + timedelta(minutes=2), worker, license_state="registered")

    assert told() == [
        ("alert.opened", "warning", "ccnp-01: Licence, alert opened"),
        ("alert.changed", "critical", "ccnp-01: Licence, alert became worse"),
        ("alert.acknowledged", "critical", "ccnp-01: Licence, alert acknowledged"),
        ("alert.closed", "critical", "ccnp-01: Licence, alert closed"),
    ]
    payloads = list(Delivery.objects.order_by("id").values_list("payload", flat=True))
    assert payloads[0]["path"] == alert.get_absolute_url()
    assert payloads[0]["worker_id"] == str(worker.pk)
    assert payloads[0]["data"]["kind"] == "license"
    assert payloads[2]["sentence"].endswith("ada: A new token is ordered.")
    assert payloads[3]["sentence"] == "The licence is registered."


def test_only_who_wants_it_is_told(now: datetime, everything: NotificationTarget) -> None:
    other = {"kind": "email", "recipients": ["x@example.com"], "created_at": now}
    NotificationTarget.objects.create(name="Elsewhere", regions=["eu-central-1"], **other)
    NotificationTarget.objects.create(name="Grave things", minimum="critical", **other)
    NotificationTarget.objects.create(name="Team", tag="Team=training", **other)
    judged(now, healthy(now, license_state="unregistered", tags={"Team": "training"}))

    assert set(Delivery.objects.values_list("target__name", flat=True)) == {"Operators", "Team"}


def test_what_is_rolled_back_is_not_told(now: datetime, everything: NotificationTarget) -> None:
    worker = healthy(now, license_state="expired")
    with transaction.atomic():
        judged(now, worker)
        assert Delivery.objects.exists()
        transaction.set_rollback(True)

    assert not Delivery.objects.exists()
    assert not Alert.objects.exists()


def test_a_hundred_alerts_cost_no_query_each(now: datetime, everything: NotificationTarget) -> None:
    NotificationTarget.objects.create(name="Team", kind="email", recipients=["x@example.com"], tag="Team", created_at=now)
    few, many = ([healthy(now, license_state="expired").pk for _ in range(count)] for count in (10, 100))
    counts = []
    for ids in (few, many):
        with CaptureQueriesContext(connection) as queries:
            evaluate(worker_ids=ids, now=now)
        counts.append(len(queries))

    assert Delivery.objects.count() == 110
    # Ten times as many rows take a batch or two more of each INSERT, and no query for each.
    assert counts[1] <= counts[0] + 6
