"""Notices are written down in the transaction of what they report, one row for every target; sending is another's work."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from workers.models import Delivery, NotificationTarget, Worker
from workers.services.notifications.notice import Notice

LIFE = timedelta(hours=24)  # after which a notice is news no more


def post(notice: Notice, *, now: datetime) -> int:
    """Write `notice` to the outbox for every target that wants it, and nothing else; returns for how many.

    Call it inside the transaction of the change: what is rolled back is not told.
    """
    return post_all([notice], now=now)


def post_all(notices: Sequence[Notice], *, now: datetime) -> int:
    """The same for many, with the targets and the workers read once; returns how many rows were written."""
    targets = list(NotificationTarget.objects.filter(enabled=True))
    if not targets or not notices:
        return 0
    places = _whereabouts(notices, targets)
    rows: list[Delivery] = []
    for notice in notices:
        payload = notice.payload()
        region, tags = places.get(notice.worker_id, (str(notice.data.get("region", "")), {}))
        facts: dict[str, Any] = {"type_": payload["type"], "severity": payload["severity"], "region": region, "tags": tags}
        rows += _rows(payload, (target for target in targets if target.takes(**facts)), now=now)
    Delivery.objects.bulk_create(rows, batch_size=500)
    return len(rows)


def write(payload: dict[str, Any], targets: Iterable[NotificationTarget], *, now: datetime) -> list[Delivery]:
    """The rows of one event, which has the same id everywhere."""
    return Delivery.objects.bulk_create(_rows(payload, targets, now=now))


def _rows(payload: dict[str, Any], targets: Iterable[NotificationTarget], *, now: datetime) -> list[Delivery]:
    event_id = uuid.uuid4()
    return [
        Delivery(
            event_id=event_id,
            target=target,
            type=payload["type"],
            severity=payload["severity"],
            title=payload["title"],
            payload=payload,
            created_at=now,
            due_at=now,
            expires_at=now + LIFE,
        )
        for target in targets
    ]


def _whereabouts(
    notices: Iterable[Notice], targets: list[NotificationTarget]
) -> dict[uuid.UUID | None, tuple[str, dict[str, Any]]]:
    """Worker id → region and tags of the notices' workers, read only when a target asks for them."""
    if not any(target.regions or target.tag for target in targets):
        return {}
    workers = Worker.objects.filter(pk__in={notice.worker_id for notice in notices if notice.worker_id})
    return {worker.pk: (worker.region, worker.tags) for worker in workers.only("region", "tags")}
