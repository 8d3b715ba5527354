"""The other side of notifications: an HTTP receiver that can misbehave, and targets and notices with believable defaults."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks import Webhook

from workers.models import NotificationTarget
from workers.services import vault
from workers.services.notifications import Notice

SECRET = "whsec_cGxhbnRlZC1zaWduaW5nLXNlY3JldC0xMjM0NTY3ODkw"
Behaviour = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer so; underscores in the names of headers stand for dashes."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


@dataclass
class Receiver:
    """What came in, and what the next requests get: the behaviours in order, then 204."""

    url: str
    behaviours: list[Behaviour] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Say nothing until the test releases, and then nothing either."""
        self.released.wait(20)
        handler.close_connection = True

    def events(self, secret: str = SECRET) -> list[BaseCloudEvent]:
        """What came in, each with its signature verified and parsed by the libraries. Raises when one is not genuine."""
        found = []
        for headers, body in self.requests:
            Webhook(secret).verify(body, headers)
            lower = {name.lower(): value for name, value in headers.items()}
            found.append(from_structured(HTTPMessage({"content-type": lower["content-type"]}, body), JSONFormat()))
        return found

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.requests]

    @property
    def titles(self) -> list[str]:
        return [str(event.get_data()["title"]) for event in self.events()]  # type: ignore[index, call-overload]


@contextmanager
def receiving(*behaviours: Behaviour) -> Iterator[Receiver]:
    """A receiver on loopback for the length of a block."""
    receiver = Receiver("", list(behaviours))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append((dict(self.headers.items()), body))
            behave = receiver.behaviours.pop(0) if receiver.behaviours else answer(204)
            receiver.arrived.set()
            try:
                behave(self)
            except OSError:
                self.close_connection = True  # the sender had enough

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/planted-path-token"
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def make_webhook(url: str, *, now: datetime, **overrides: Any) -> NotificationTarget:
    """A webhook target whose secret is SECRET."""
    fields: dict[str, Any] = {
        "name": f"hook {NotificationTarget.objects.count() + 1}",
        "kind": "webhook",
        "created_at": now,
        "address_encrypted": vault.encrypt(url),
        "address_hint": "127.0.0.1",
        "secret_encrypted": vault.encrypt(SECRET),
        "minimum": "info",
    }
    return NotificationTarget.objects.create(**(fields | overrides))


def make_mailbox(*recipients: str, now: datetime, **overrides: Any) -> NotificationTarget:
    """An e-mail target."""
    fields: dict[str, Any] = {"name": "Operations", "kind": "email", "created_at": now, "minimum": "info"}
    return NotificationTarget.objects.create(**(fields | {"recipients": list(recipients)} | overrides))


def notice(number: int = 1, **overrides: Any) -> Notice:
    """An alert that opened."""
    fields: dict[str, Any] = {
        "type": "alert.opened",
        "severity": "warning",
        "title": f"CPU of worker-{number:03} above 90 %",
        "sentence": f"CPU of worker-{number:03} is at 97 %, above the line of 90 %, for 10 minutes.",
        "path": "/alerts/",
        "data": {"kind": "cpu", "value": 97.0},
    }
    return Notice(**(fields | overrides))
