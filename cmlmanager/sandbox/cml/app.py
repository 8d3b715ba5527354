"""The ASGI application that serves every simulated server, and the gate before it where boot and misbehaviour show."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cmlmanager.sandbox.cml import (
    routes_auth,
    routes_catalogue,
    routes_labs,
    routes_licensing,
    routes_links,
    routes_nodes,
    routes_notices,
    routes_people,
    routes_running,
    routes_system,
    routes_topology,
)
from cmlmanager.sandbox.cml.answering import error_response
from cmlmanager.sandbox.cml.boot import Phase
from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.faults import Misbehaviour, nulled
from cmlmanager.sandbox.cml.server import SimulatedServer

API = "/api/v0"
_LOGINS = ("/authenticate", "/auth_extended")
_BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_PIECE = 64 * 1024


_ROOMS = (
    routes_auth,
    routes_system,
    routes_licensing,
    routes_labs,
    routes_nodes,
    routes_links,
    routes_topology,
    routes_running,
    routes_notices,
    routes_people,
    routes_catalogue,
)


def application() -> ASGIApp:
    """The gate and the API behind it; the server asked is `scope["state"]["cml"]`."""
    api = Starlette(
        routes=[Mount(API, routes=[route for room in _ROOMS for route in room.routes])],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error},
    )
    return Gate(api)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error.status, error.description)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, error.detail)


async def _hung_up(receive: Receive, *, within: float) -> bool:
    """Wait so many seconds; true as soon as the client has hung up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while (await receive())["type"] != "http.disconnect":
                pass
            return True
    return False


class Gate:
    """Counts requests, and answers in CML's place while the server boots or is told to misbehave."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._modes: dict[str, Callable[[Scope, Receive, Send, Misbehaviour], Awaitable[None]]] = {
            "timeout": self._timeout,
            "502": self._bad_gateway,
            "empty": self._empty,
            "garbage": self._garbage,
            "nulls": self._nulls,
            "slow": self._slow,
            "late": self._late,
            "token_expired": self._token_expired,
            "huge": self._huge,
            "error": self._error,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server: SimulatedServer = scope["state"]["cml"]
        path = scope["path"].removeprefix(API)
        server.requests[f"{scope['method']} {path}"] += 1
        misbehaviour = server.misbehaviour
        if server.phase() in (Phase.SILENT, Phase.BAD_GATEWAY):
            await self._bad_gateway(scope, receive, send, misbehaviour)
        elif misbehaviour.mode in self._modes and misbehaviour.covers(path) and server.use_misbehaviour():
            await self._modes[misbehaviour.mode](scope, receive, send, misbehaviour)
        else:
            await self._app(scope, receive, send)

    async def _timeout(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _bad_gateway(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        await Response(_BAD_GATEWAY, 502, media_type="text/html")(scope, receive, send)

    async def _empty(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        await Response(b"", media_type="application/json")(scope, receive, send)

    async def _garbage(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        await Response(b'{"version": \x00\xff<oops', media_type="application/json")(scope, receive, send)

    async def _nulls(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        if scope["path"].removeprefix(API) in _LOGINS:
            await self._app(scope, receive, send)
            return
        status, body = await self._collected(scope, receive)
        with contextlib.suppress(ValueError):
            body = json.dumps(nulled(json.loads(body))).encode() if status == 200 else body
        await Response(body, status, media_type="application/json")(scope, receive, send)

    async def _slow(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        status, body = await self._collected(scope, receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for position in range(len(body)):
            await send({"type": "http.response.body", "body": body[position : position + 1], "more_body": True})
            if await _hung_up(receive, within=how.delay):
                return
        await send({"type": "http.response.body", "body": b""})

    async def _late(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        status, body = await self._collected(scope, receive)
        if not await _hung_up(receive, within=how.delay):
            await Response(body, status, media_type="application/json")(scope, receive, send)

    async def _token_expired(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        path = scope["path"].removeprefix(API)
        if how.always and path not in (*_LOGINS, "/system_information"):
            await error_response(401, "The authorization token is not valid or has expired.")(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _huge(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        piece = b" " * _PIECE
        for _ in range(how.size // _PIECE):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if await _hung_up(receive, within=0):
                return
        await send({"type": "http.response.body", "body": b"{}"})

    async def _error(self, scope: Scope, receive: Receive, send: Send, how: Misbehaviour) -> None:
        await error_response(how.status, how.description)(scope, receive, send)

    async def _collected(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """The status and body that the API would have answered."""
        status, body = 500, bytearray()

        async def collect(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            body.extend(message.get("body", b""))

        await self._app(scope, receive, collect)
        return status, bytes(body)
