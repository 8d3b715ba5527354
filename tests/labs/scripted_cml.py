"""A CML server that says exactly what a test wants it to say about labs, over HTTPS: for answers that no honest server gives.

cml = ScriptedCml(folder)
cml.answers["/populate_lab_tiles"] = {"lab_tiles": {}}
cml.answers["/labs"] = (500, {"code": 500, "description": "broken"})
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cmlmanager.sandbox.cml.certificates import ensure_certificate, server_context

ACCOUNT = "00000000-0000-4000-a000-000000000000"


class ScriptedCml:
    """`answers`: path after /api/v0 (without its query) → body, text as it is, or (status, body); what is not in it is 404."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: Counter[str] = Counter()
        self.forget()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.answer(self)

            def log_message(self, *args: Any) -> None:
                """Keep quiet."""

        certificate = ensure_certificate(folder, hostname="cml-controller", address="127.0.0.1")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = server_context(certificate).wrap_socket(self._server.socket, server_side=True)
        self.base_url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def forget(self, *, admin: bool = True) -> None:
        """Only sign-in works again; `admin`: whether the account sees every lab."""
        account = {"username": "portal", "id": ACCOUNT, "token": "a.b.c", "admin": admin, "error": None}
        self.answers = {"/auth_extended": account}
        self.requests.clear()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.removeprefix("/api/v0").partition("?")[0]
        self.requests[path] += 1
        said = self.answers.get(path, (404, {"code": 404, "description": f"Not found: {path}"}))
        status, body = said if isinstance(said, tuple) else (200, said)
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def close(self) -> None:
        """End the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
