"""Fragments for pages: rendered once, with nothing in them that depends on who looks."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import datetime
from functools import partial, update_wrapper

from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import publish
from workers.choices import UsageSource
from workers.dressing import dressed
from workers.listing import tiles
from workers.models import Alert, Operation, Worker

FLEET = "fleet"
COUNTS = "fleet.counts"  # states moved: new numbers for the tiles
CHANGED = "fleet.changed"  # rows came or went, or AWS stopped or began answering: read the table again
LICENSES_CHANGED = "licenses.changed"  # a seat came into doubt or out of it: the licences page reads itself again
OPERATIONS = "operations"
OPERATIONS_CHANGED = "operations.changed"  # one came, went on or ended: lists read themselves again
CHECKED = "checked"  # knowledge is young again though nothing changed
ALERTS = "alerts"
BELL = "alerts.bell"  # what nobody has acknowledged: for the header of every page
ALERTS_CHANGED = "alerts.changed"  # some came, changed or went: lists read themselves again
HEARTBEAT = "heartbeat"
NOTIFICATIONS = "notifications"
NOTIFICATIONS_CHANGED = "notifications.changed"  # a target or a delivery did: the pages about them read themselves again


def _after_commit(function: partial[None]) -> None:
    # robust: news must never fail the work that it reports. Django then logs the function's name, which a partial has not.
    transaction.on_commit(update_wrapper(function, function.func), robust=True)


def announce_workers(worker_ids: Iterable[uuid.UUID]) -> None:
    """These workers changed: send their rows and the panels of their pages."""
    ids = list(dict.fromkeys(worker_ids))
    if ids:
        _after_commit(partial(_send_workers, ids))


def _send_workers(ids: list[uuid.UUID]) -> None:
    for start in range(0, len(ids), 200):
        workers = dressed(Worker.objects.filter(pk__in=ids[start : start + 200]), now=timezone.now())
        publish(message for worker in workers for message in _worker_messages(worker))


def _worker_messages(worker: Worker) -> Iterable[Message]:
    row = render_to_string("workers/components/row.html", {"worker": worker})
    yield Message(channel=f"row.{worker.pk}", type=f"row.{worker.pk}", data=row)
    panels = render_to_string("workers/components/worker_live.html", {"worker": worker})
    yield Message(channel=f"worker.{worker.pk}", type=f"worker.{worker.pk}", data=panels)


def announce_operation(operation_id: uuid.UUID) -> None:
    """This operation came, went on or ended: send its row and the panel of its page, and tell lists that it is there."""
    _after_commit(partial(_send_operation, operation_id))


def _send_operation(operation_id: uuid.UUID) -> None:
    operation = Operation.objects.select_related("worker").filter(pk=operation_id).first()
    if operation is None:
        return
    channel = f"operation.{operation.pk}"
    context = {"operation": operation}
    publish(
        [
            Message(channel=channel, type=channel, data=render_to_string("workers/components/operation_row.html", context)),
            Message(
                channel=channel,
                type=f"panel.{channel}",
                data=render_to_string("workers/components/operation_panel.html", context),
            ),
            Message(channel=OPERATIONS, type=OPERATIONS_CHANGED, data=""),
        ]
    )


def announce_counts() -> None:
    """States moved: send the numbers of the fleet page's tiles."""
    _after_commit(partial(_send_counts))


def _send_counts() -> None:
    numbers = tiles(Worker.objects.all().counts())
    publish(
        [Message(channel=FLEET, type=COUNTS, data=render_to_string("workers/components/counts_oob.html", {"tiles": numbers}))]
    )


def announce_alerts(*, worker_ids: Iterable[uuid.UUID]) -> None:
    """Alerts of these workers came, changed or went: send the workers' rows and panels, the bell, and tell lists."""
    announce_workers(worker_ids)
    _after_commit(partial(_send_bell))


def _send_bell() -> None:
    context = {"bell": Alert.objects.bell(), "failing": Worker.objects.failing()}
    bell = render_to_string("components/alert_bell_inside.html", context)
    publish([Message(channel=ALERTS, type=BELL, data=bell), Message(channel=ALERTS, type=ALERTS_CHANGED, data="")])


def announce_membership() -> None:
    """Rows came or went, or a region's banner did: pages read their table again."""
    _after_commit(partial(publish, [Message(channel=FLEET, type=CHANGED, data="")]))


def announce_licenses() -> None:
    """Something of the licence books moved: pages that show them read them again."""
    _after_commit(partial(publish, [Message(channel=FLEET, type=LICENSES_CHANGED, data="")]))


def announce_region_checked(*, place: str, at: datetime) -> None:
    """Every worker of `place` (workers.aws_accounts.place) was just read from EC2."""
    _send_checked({"source": "aws", "region": place, "at": at.isoformat()})


def announce_cml_checked(*, worker_ids: Iterable[uuid.UUID], at: datetime) -> None:
    """These workers' CML was just read."""
    _send_checked({"source": UsageSource.CML.value, "workers": [str(pk) for pk in worker_ids], "at": at.isoformat()})


def _send_checked(data: dict[str, object]) -> None:
    _after_commit(partial(publish, [Message(channel=FLEET, type=CHECKED, data=json.dumps(data))]))


def announce_heartbeat(*, at: datetime) -> None:
    """The whole path works: beat, worker, Redis, stream, page."""
    publish([Message(channel="live", type=HEARTBEAT, data=json.dumps({"at": at.isoformat()}))])


def announce_notifications() -> None:
    """A notification target or a delivery changed."""
    _after_commit(partial(publish, [Message(channel=NOTIFICATIONS, type=NOTIFICATIONS_CHANGED, data="")]))
