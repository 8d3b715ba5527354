"""A page with the portal's scripts and a stream that the test speaks through, for a real browser."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import django_htmx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cmlmanager.live.messages import encode_event
from tests.live.portal import until

HTMX = Path(django_htmx.__file__).parent / "static" / "django_htmx"
SCRIPTS = Path(__file__).resolve().parents[2] / "static" / "js"
# The portal's own policy: nothing inline.
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'"
CONFIGURATION = json.dumps(
    {"includeIndicatorStyles": False, "allowEval": False, "allowScriptTags": False, "historyCacheSize": 0}
)

PAGE = """<!DOCTYPE html><html lang="en"><head><title>Page</title><meta charset="utf-8">
<link rel="icon" href="data:,well" data-well="data:,well" data-failing="data:,failing" data-stale="data:,stale">
<meta name="htmx-config" content='{configuration}'>
<script src="/htmx/htmx-2.js" defer></script><script src="/htmx/ext/hx-sse-2.js" defer></script>
<script src="/js/age.js" defer></script><script src="/js/patch.js" defer></script><script src="/js/reread.js" defer></script>
<script src="/js/live.js" defer></script><script src="/js/tabs.js" defer></script>
<script src="/js/badge.js" defer></script><script src="/js/announce.js" defer></script></head><body>
<p id="live-badge" data-state="reconnecting" data-heartbeat-seconds="{heartbeat}" data-sign-in="/sign-in">
<span data-live-text></span></p>
<div id="announce" role="status"></div>{body}</body></html>"""


class Connection:
    """One open stream of the browser."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()


def _bound(port: int) -> socket.socket:
    """A socket at a loopback port that other such sockets may share; 0 takes a free one."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


class Held:
    """A request whose answer waits for `release`. What the answer says was decided when the request came."""

    def __init__(self, query: str) -> None:
        self.query = query
        self._loop = asyncio.get_running_loop()
        self._released = asyncio.Event()

    async def wait(self) -> None:
        await self._released.wait()

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._released.set)


class Pages:
    """The server. Everything that the browser asks for is counted; `status` other than 200 refuses the stream, `part_status` the
    parts that are read again.

    While `holding` names a path ("/part", "/stream"), the answers to its requests are kept in `held`, for the test to release.
    """

    def __init__(self) -> None:
        # Kept, so that nobody takes the port while the server is stopped. It does not listen: connections are refused.
        self._reserved = _bound(0)
        self.port = self._reserved.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.body = ""
        self.part = ""
        self.heartbeat = 10.0
        self.status = self.part_status = 200
        self.hello: dict[str, Any] = {"channels": 1}
        self.connections: list[Connection] = []
        self.streams = self.probes = self.reads = 0
        self.holding = ""
        self.held: list[Held] = []
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        routes = [
            Route("/page", self._page),
            Route("/part", self._part, methods=["GET", "POST"]),
            Route("/stream", self._stream),
            Mount("/htmx", StaticFiles(directory=HTMX)),
            Mount("/js", StaticFiles(directory=SCRIPTS)),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            log_level="critical",
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until(lambda: self._server and self._server.started, "the server starts")

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            assert self._server is not None
            await self._server.serve(sockets=[_bound(self.port)])

        asyncio.run(serve())

    def stop(self) -> None:
        """End the server, then every connection: a browser that is quick must not be let in once more."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        listening = list(server.servers)
        server.should_exit = True
        until(lambda: not any(one.is_serving() for one in listening), "the server stops listening")
        for held in self.held:
            held.release()
        self.close_streams()
        thread.join(10)
        self.connections.clear()
        self._server = None

    def close(self) -> None:
        """Stop, and give the port back."""
        self.stop()
        self._reserved.close()

    def say(self, event_type: str, data: str = "{}") -> None:
        """Send one event on every open stream."""
        self.say_raw(encode_event(event_type, data))

    def say_raw(self, wire: bytes | None) -> None:
        assert self._loop is not None
        for connection in list(self.connections):
            self._loop.call_soon_threadsafe(connection.queue.put_nowait, wire)

    def close_streams(self) -> None:
        """End every open stream as a restarting server does."""
        if self._loop is not None and self.connections:
            self.say_raw(None)

    def wait_for_streams(self, number: int, seconds: float = 10) -> None:
        until(lambda: len(self.connections) == number, f"{number} open streams, now {len(self.connections)}", seconds)

    async def _page(self, request: Request) -> Response:
        page = PAGE.format(configuration=CONFIGURATION, heartbeat=self.heartbeat, body=self.body)
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    async def _part(self, request: Request) -> Response:
        self.reads += 1
        content = self.part or self.body
        await self._hold(request)
        return HTMLResponse(content, status_code=self.part_status)

    async def _hold(self, request: Request) -> None:
        if request.url.path != self.holding:
            return
        held = Held(request.url.query)
        self.held.append(held)
        await held.wait()

    async def _stream(self, request: Request) -> Response:
        probe = request.headers["accept"] == "application/json"
        if probe:
            self.probes += 1
        else:
            self.streams += 1
        if self.status != 200 or probe:
            return JSONResponse({}, status_code=self.status)
        await self._hold(request)
        return StreamingResponse(self._events(Connection(request.url.query)), media_type="text/event-stream")

    async def _events(self, connection: Connection) -> AsyncIterator[bytes]:
        self.connections.append(connection)
        try:
            yield b"retry: 3000\n\n" + encode_event("hello", json.dumps(self.hello))
            while (wire := await connection.queue.get()) is not None:
                yield wire
        finally:
            if connection in self.connections:
                self.connections.remove(connection)


def eventually(look: Any, expected: Any, seconds: float = 8) -> None:
    """Wait until `look()` equals `expected`, and say what it was last when it does not."""
    deadline = time.monotonic() + seconds
    while (seen := look()) != expected:
        assert time.monotonic() < deadline, f"expected {expected!r}, saw {seen!r}"
        time.sleep(0.02)
