"""A CML server that answers exactly what a test tells it, over real HTTPS, and keeps every request as it arrived.

For shapes, statuses and sizes that the simulated CML does not make; `token` is taken by every call, and each login gives it out.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cmlmanager.sandbox.cml.certificates import ensure_certificate, server_context
from workers.clients.cml import CmlClient, Credential, TlsPolicy
from workers.clients.cml.tokens import tokens

TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2NyaXB0ZWQ.signature-of-a-scripted-token"
CREDENTIAL = Credential("admin", "correct horse battery staple")


@dataclass
class Asked:
    """One request: `path` is after /api/v0 and with its query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass
class Scripted:
    """What to answer next: `body` bytes as they are, anything else as JSON. `cut` closes the connection instead.

    `delay` are the seconds that the server takes for it.
    """

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    delay: float = 0

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class ScriptedCml:
    """The server. `answers` are given in order, the last one for ever; logins are answered apart."""

    def __init__(self, directory: Path) -> None:
        self.asked: list[Asked] = []
        self.logins = 0
        self.login: Any = {"username": "admin", "id": "4cfc3696-0000-4000-a000-000000000001", "admin": True, "token": TOKEN}
        self.answers: list[Scripted] = [Scripted()]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"outer": self}))
        self._server.daemon_threads = True
        context = server_context(ensure_certificate(directory, hostname="scripted", address="127.0.0.1"))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.base_url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def say(self, *answers: Scripted) -> None:
        """Forget what was asked, and answer these from now on."""
        self.asked.clear()
        self.logins = 0
        self.answers = list(answers)

    def client(self, **options: Any) -> CmlClient:
        """A client that has not logged in."""
        tokens.clear()
        return CmlClient(**{"base_url": self.base_url, "credential": CREDENTIAL, "tls": TlsPolicy("off"), **options})

    def close(self) -> None:
        """End the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    outer: ClassVar[ScriptedCml]
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024  # head and body in one segment

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.removeprefix("/api/v0")
        if path in ("/auth_extended", "/authenticate"):
            self.outer.logins += 1
            scripted = Scripted(body=self.outer.login)
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.outer.asked.append(Asked(self.command, path, headers, body))
            scripted = self.outer.answers.pop(0) if len(self.outer.answers) > 1 else self.outer.answers[0]
        self._give(scripted)

    def _give(self, scripted: Scripted) -> None:
        time.sleep(scripted.delay)
        if scripted.cut:
            self.close_connection = True
            return
        self.send_response(scripted.status)
        for name, value in scripted.headers.items():
            self.send_header(name, value)
        if scripted.status not in (204, 304):
            self.send_header("Content-Length", str(len(scripted.content)))
        self.end_headers()
        if scripted.status not in (204, 304):
            self.wfile.write(scripted.content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def scripted_cml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedCml]:
    """One for a test module."""
    server = ScriptedCml(tmp_path_factory.mktemp("scripted"))
    yield server
    server.close()
