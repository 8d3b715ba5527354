"""How the simulated API answers: CML's error shape, who is calling, and what a body may hold."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cmlmanager.sandbox.cml.server import SimulatedServer
from cmlmanager.sandbox.cml.state import User

LARGEST_BODY = 4 * 1024 * 1024
Handler = Callable[[Request], Awaitable[Response]]


class ApiError(Exception):
    """Answers with CML's `{"code", "description"}`."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.description = description


def error_response(status: int, description: str) -> JSONResponse:
    """CML's error shape: the code is the HTTP status again."""
    return JSONResponse({"code": status, "description": description}, status)


def invalid(location: list[str], kind: str, message: str) -> ApiError:
    """A validation error: CML puts its validator's findings into the description as a string of JSON."""
    found = [{"location": location, "type": kind, "message": message}]
    return ApiError(400, json.dumps({"Input validation failed": found}))


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
        return await handler(request)

    return wrapped


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


async def strict_object(request: Request, required: dict[str, int]) -> dict[str, str]:
    """A body with exactly these string fields, each of 1 to so many characters. Raises ApiError 400 as CML does."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise ApiError(413, "Request Entity Too Large")
    try:
        parsed: Any = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise invalid(["body"], "json_invalid", "JSON decode error") from None
    if not isinstance(parsed, dict):
        raise invalid(["body"], "model_attributes_type", "Input should be a valid dictionary")
    for name in parsed:
        if name not in required:
            raise invalid(["body", str(name)], "extra_forbidden", "Extra inputs are not permitted")
    for name, longest in required.items():
        _check_text(name, parsed, longest)
    return parsed


def _check_text(name: str, parsed: dict[str, Any], longest: int) -> None:
    if name not in parsed:
        raise invalid(["body", name], "missing", "Field required")
    value = parsed[name]
    if not isinstance(value, str):
        raise invalid(["body", name], "string_type", "Input should be a valid string")
    if not value:
        raise invalid(["body", name], "string_too_short", "String should have at least 1 character")
    if len(value) > longest:
        raise invalid(["body", name], "string_too_long", f"String should have at most {longest} characters")
