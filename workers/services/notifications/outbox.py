"""Notices are written down in the transaction of what they report, one row for every target; sending is another's work."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from workers.models import Delivery, NotificationTarget, Worker
from workers.services.notifications.notice import Notice

LIFE = timedelta(hours=24)  # after which a notice is news no more


def post(notice: Notice, *, now: datetime) -> int:
    """Write `notice` to the outbox for every target that wants it, and nothing else; returns for how many.

    Call it inside the transaction of the change: what is rolled back is not told.
    """
    targets = list(NotificationTarget.objects.filter(enabled=True))
    if not targets:
        return 0
    payload = notice.payload()
    region, tags = _whereabouts(notice, targets)
    facts: dict[str, Any] = {"type_": payload["type"], "severity": payload["severity"], "region": region, "tags": tags}
    wanted = [target for target in targets if target.takes(**facts)]
    write(payload, wanted, now=now)
    return len(wanted)


def write(payload: dict[str, Any], targets: Iterable[NotificationTarget], *, now: datetime) -> list[Delivery]:
    """The rows of one event, which has the same id everywhere."""
    event_id = uuid.uuid4()
    return Delivery.objects.bulk_create(
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
    )


def _whereabouts(notice: Notice, targets: list[NotificationTarget]) -> tuple[str, dict[str, Any]]:
    """Region and tags of the notice's worker, read only when a target asks for them; of a notice without worker, the region it names."""
    if not any(target.regions or target.tag for target in targets):
        return "", {}
    worker = Worker.objects.filter(pk=notice.worker_id).only("region", "tags").first() if notice.worker_id else None
    return (worker.region, worker.tags) if worker else (str(notice.data.get("region", "")), {})
