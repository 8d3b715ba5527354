"""How the simulated API answers: CML's error shape, who is calling, and what a body may hold."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cmlmanager.sandbox.cml.bodies import Kind
from cmlmanager.sandbox.cml.errors import ApiError, invalid
from cmlmanager.sandbox.cml.server import SimulatedServer
from cmlmanager.sandbox.cml.state import User

LARGEST_BODY = 4 * 1024 * 1024
Handler = Callable[[Request], Awaitable[Response]]


def error_response(status: int, description: str) -> JSONResponse:
    """CML's error shape: the code is the HTTP status again."""
    return JSONResponse({"code": status, "description": description}, status)


def server_of(request: Request) -> SimulatedServer:
    """The server that is asked: one application serves all of them."""
    server: SimulatedServer = request.state.cml
    return server


def authorized(handler: Handler) -> Handler:
    """Lets a request with a good token through, with `request.state.user` and `.token_id` set; answers 401 to others."""

    async def wrapped(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(401, "No authorization token provided.")
        session = server_of(request).session(token.strip())
        if session is None:
            raise ApiError(401, "The authorization token is not valid or has expired.")
        request.state.user, request.state.token_id = session
        refuse_in_maintenance(server_of(request), session[0])
        return await handler(request)

    return wrapped


def refuse_in_maintenance(server: SimulatedServer, user: User) -> None:
    """Raises ApiError 403 for others than administrators while maintenance mode is on."""
    if server.state.maintenance and not user.admin:
        raise ApiError(403, "The system is in maintenance mode. Only administrators can access it.")


def caller(request: Request) -> User:
    """The account of an authorized request."""
    user: User = request.state.user
    return user


def flag(request: Request, name: str) -> bool:
    """A boolean of the query, false when absent. Raises ApiError 400 for other values."""
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise invalid(["query", name], "bool_parsing", "Input should be a valid boolean, unable to interpret input")
    return text in ("true", "1")


def administrator(handler: Handler) -> Handler:
    """As `authorized`, and answers 403 to accounts without administrator's rights."""

    async def wrapped(request: Request) -> Response:
        if not caller(request).admin:
            raise ApiError(403, "Access denied: admin privileges required.")
        return await handler(request)

    return authorized(wrapped)


async def body_of(request: Request) -> bytes:
    """The body. Raises ApiError 413 for one that nginx would not let through."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise ApiError(413, "Request Entity Too Large")
    return bytes(body)


async def strict(request: Request, kind: Kind) -> Any:
    """The body as JSON that `kind` reads. Raises ApiError 400 as CML does."""
    try:
        parsed: Any = json.loads(await body_of(request))
    except (ValueError, RecursionError):
        raise invalid(["body"], "json_invalid", "JSON decode error") from None
    return kind(parsed, ["body"])
