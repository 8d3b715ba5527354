"""Webhooks: a CloudEvents 1.0 event as structured JSON, signed as Standard Webhooks says, posted once."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult

import urllib3
from cloudevents.core.bindings.http import HTTPMessage, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook

from workers.clients.notify.network import NotAllowed, Reach, Watch, check_url, pool_for
from workers.clients.notify.outcome import Outcome, Verdict, of_status, shortened, waiting_time

USER_AGENT = "CML-Cloud-Manager"
CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 4.0, 8.0, 12.0
READ_BYTES = 2_048  # of an answer; the rest is left unread
# urllib3's name is wider than what a server does: a connection that ends early is among them.
_ENDED = (urllib3.exceptions.ProtocolError, urllib3.exceptions.HTTPError, OSError)


@dataclass(frozen=True, kw_only=True)
class CloudEventFacts:
    """What an event says. `id` stays the same over all tries; `source` is a URI reference, `time` aware, `data` JSON-able."""

    id: str
    type: str
    source: str
    time: datetime
    subject: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def message(self) -> HTTPMessage:
        """Headers and body in CloudEvents' structured mode."""
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "time": self.time,
            "datacontenttype": "application/json",
        }
        if self.subject:
            attributes["subject"] = self.subject
        return to_structured(CloudEvent(attributes, self.data), JSONFormat())


def signed_headers(message: HTTPMessage, *, event_id: str, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """The message's headers with those of Standard Webhooks, one signature for each secret. `at` is aware UTC."""
    body = message.body.decode()
    signatures = [Webhook(secret).sign(msg_id=event_id, timestamp=at, data=body) for secret in secrets]
    return message.headers | {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
    }


def post_webhook(
    url: str, event: CloudEventFacts, *, secrets: Sequence[str], at: datetime, reach: Reach, total: float = TOTAL_SECONDS
) -> Outcome:
    """Send `event` once, and no longer than `total` seconds. Never raises for what the other side or the network does."""
    try:
        parts = check_url(url, reach)
    except NotAllowed as refusal:
        return Outcome(verdict=Verdict.REFUSED, sentence=str(refusal))
    message = event.message()
    headers = signed_headers(message, event_id=event.id, secrets=secrets, at=at)
    watch = Watch(total)
    try:
        with watch:
            return _post(parts, message.body, headers, reach=reach, watch=watch, total=total)
    except NotAllowed as refusal:
        return Outcome(verdict=Verdict.REFUSED, sentence=str(refusal))
    except _ENDED as error:
        late = watch.expired or isinstance(error, urllib3.exceptions.TimeoutError)
        return Outcome(verdict=Verdict.LATER, sentence=_sentence(error, str(parts.hostname), late=late))
    finally:
        watch.close()


def _post(parts: SplitResult, body: bytes, headers: dict[str, str], *, reach: Reach, watch: Watch, total: float) -> Outcome:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, total), read=min(READ_SECONDS, total))
    with pool_for(parts, reach=reach, watch=watch, timeout=timeout) as pool:
        response = pool.urlopen(
            "POST", target, body=body, headers=headers, redirect=False, preload_content=False, decode_content=False
        )
        try:
            answer = _beginning(response, secrets=(target, parts.query, *parts.path.split("/")))
        finally:
            response.close()
    wait = waiting_time(response.headers.get("Retry-After"))
    return of_status(response.status, host=str(parts.hostname), answer=answer, retry_after=wait)


def _beginning(response: urllib3.BaseHTTPResponse, *, secrets: Sequence[str]) -> str:
    try:
        return shortened(response.read(READ_BYTES), secrets)
    except _ENDED:
        return ""  # the status has been said, which is what counts


def _sentence(error: BaseException, host: str, *, late: bool) -> str:
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return f"The name {host} could not be resolved."
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return f"{host} could not be reached."
    if late:
        return f"{host} did not answer in time."
    if isinstance(error, urllib3.exceptions.SSLError | ssl.SSLError):
        return f"The certificate of {host} was not accepted, or it speaks no TLS."
    return f"{host} ended the connection without an answer."
