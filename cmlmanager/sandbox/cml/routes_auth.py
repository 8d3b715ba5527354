"""Logging in and out. Cisco CML 2.9 API, "Authentication"; `/authentication` since 2.10."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import authorized, caller, flag, refuse_in_maintenance, server_of, strict
from cmlmanager.sandbox.cml.bodies import Fields, Text
from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.state import User

_CREDENTIALS = Fields({"username": Text(least=1, most=32), "password": Text(least=1)}, required=("username", "password"))


async def _login(request: Request) -> tuple[User, str]:
    body = await strict(request, _CREDENTIALS)
    server = server_of(request)
    user = server.accepts(body["username"], body["password"])
    if user is None:
        raise ApiError(403, "Authentication failed!")
    refuse_in_maintenance(server, user)
    server.tell("user_activity", user_id=user.id, action="login")
    return user, server.issue_token(user)


async def authenticate(request: Request) -> Response:
    """The token alone, as a JSON string."""
    _, token = await _login(request)
    return JSONResponse(token)


async def auth_extended(request: Request) -> Response:
    """The token with the account's id and whether it is an administrator's."""
    user, token = await _login(request)
    return JSONResponse({"username": user.username, "id": user.id, "token": token, "admin": user.admin, "error": None})


@authorized
async def authok(request: Request) -> Response:
    """Whether the token is good."""
    return JSONResponse("OK")


@authorized
async def authentication(request: Request) -> Response:
    """Who the token belongs to; servers before 2.10 do not know this path."""
    server, user = server_of(request), caller(request)
    if not server.state.is_210:
        raise ApiError(404, "Not Found")
    return JSONResponse({"username": user.username, "id": user.id, "admin": user.admin, "error": None})


@authorized
async def logout(request: Request) -> Response:
    """Ends this session, or all with `clear_all_sessions`."""
    server = server_of(request)
    if flag(request, "clear_all_sessions"):
        server.revoke_all()
    else:
        server.revoke(request.state.token_id)
    return JSONResponse(True)


routes = [
    Route("/authenticate", authenticate, methods=["POST"]),
    Route("/auth_extended", auth_extended, methods=["POST"]),
    Route("/authok", authok),
    Route("/authentication", authentication),
    Route("/logout", logout, methods=["DELETE"]),
]
