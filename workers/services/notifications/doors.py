"""From a target and its waiting notices to one call that sends them, which needs neither database nor keys any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from django.conf import settings

from workers.clients import notify
from workers.models import Delivery, NotificationTarget
from workers.notification_choices import TargetKind
from workers.services import vault
from workers.services.notifications import mail, wording
from workers.services.notifications.addresses import chat_of, reach

TYPE_PREFIX = "com.github.cml-cloud-manager."
Send = Callable[[], notify.Outcome]
UNREADABLE = "The stored address was encrypted with a key that is no longer in SECRETS_KEYS; enter it again."


def prepare(target: NotificationTarget, deliveries: Sequence[Delivery], *, now: datetime) -> Send:
    """What sends `deliveries` as one message when called, in any thread. A webhook gets one at a time."""
    try:
        return _PREPARED[target.way](target, deliveries, now)
    except (vault.UnableToDecrypt, notify.NotAChatAddress):
        return partial(notify.Outcome, verdict=notify.Verdict.LATER, sentence=UNREADABLE)


def _webhook(target: NotificationTarget, deliveries: Sequence[Delivery], now: datetime) -> Send:
    [delivery] = deliveries
    url = vault.decrypt(target.address_encrypted)
    return partial(notify.post_webhook, url, event_of(delivery), secrets=secrets_of(target, now=now), at=now, reach=reach())


def _mail(target: NotificationTarget, deliveries: Sequence[Delivery], now: datetime) -> Send:
    words = wording.words_of(deliveries)
    return partial(mail.send, list(target.recipients), words, event_id=str(deliveries[0].event_id))


def _chat(target: NotificationTarget, deliveries: Sequence[Delivery], now: datetime) -> Send:
    words = wording.words_of(deliveries)
    title = wording.title_of(words)
    return partial(notify.send_to_chat, chat_of(target), title=title, body=words.chat, severity=words.severity)


_PREPARED: dict[TargetKind, Callable[[NotificationTarget, Sequence[Delivery], datetime], Send]] = {
    TargetKind.EMAIL: _mail,
    TargetKind.WEBHOOK: _webhook,
    TargetKind.SLACK: _chat,
    TargetKind.TEAMS: _chat,
    TargetKind.WEBEX: _chat,
}


def event_of(delivery: Delivery) -> notify.CloudEventFacts:
    """The delivery as a CloudEvent; the same at every try."""
    payload = delivery.payload
    link = wording.link_to(payload["path"])
    data = {
        "severity": delivery.severity,
        "title": delivery.title,
        "sentence": payload["sentence"],
        "worker": {"id": payload["worker_id"], "name": payload["worker_name"]} if payload["worker_id"] else None,
        "facts": payload["data"],
    }
    return notify.CloudEventFacts(
        id=str(delivery.event_id),
        type=f"{TYPE_PREFIX}{delivery.type}",
        source=settings.PORTAL_URL or "urn:cml-cloud-manager",
        time=delivery.created_at.astimezone(UTC),
        subject=f"workers/{payload['worker_id']}" if payload["worker_id"] else "",
        data=data | ({"link": link} if link else {}),
    )


def secrets_of(target: NotificationTarget, *, now: datetime) -> list[str]:
    """The secrets that sign now: the current one, and for a day after a rotation the one before."""
    kept = [target.secret_encrypted]
    if target.previous_secret_encrypted and target.previous_secret_until and target.previous_secret_until > now:
        kept.append(target.previous_secret_encrypted)
    return [vault.decrypt(one) for one in kept]
