"""Notices in CML's own pages, and maintenance mode. Cisco CML 2.9 API, "System"."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import administrator, authorized, caller, server_of, strict
from cmlmanager.sandbox.cml.bodies import Choice, Fields, Items, Nullable, Text, flag, uuid4
from cmlmanager.sandbox.cml.elements import cml_time, new_id
from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.finding import id_in_path
from cmlmanager.sandbox.cml.state import Notice

_NOTICE: dict[str, Any] = {
    "level": Choice(("INFO", "SUCCESS", "WARNING", "ERROR")),
    "label": Text(least=1, most=128),
    "content": Text(most=8192),
    "enabled": flag,
}
_NEW = Fields({**_NOTICE, "groups": Items(of=uuid4)}, required=("level", "label"))
_CHANGED = Fields(
    {**_NOTICE, "add_groups": Items(of=uuid4), "del_groups": Items(of=uuid4), "acknowledged": lambda value, at: value}
)
_MAINTENANCE = Fields({"maintenance_mode": flag, "notice": Nullable(uuid4)})


@authorized
async def notices(request: Request) -> Response:
    """All notices for administrators, the enabled ones for others."""
    user = caller(request)
    seen = [notice for notice in server_of(request).state.notices if user.admin or notice.enabled]
    return JSONResponse([asdict(notice) for notice in seen])


@administrator
async def create_notice(request: Request) -> Response:
    """Shown as soon as it is enabled."""
    body = await strict(request, _NEW)
    server = server_of(request)
    notice = Notice(id=new_id(), activated=cml_time() if body.get("enabled") else None, **body)
    server.state.notices.append(notice)
    server.state.tell("notice_state_change", time.time(), notice_id=notice.id, enabled=notice.enabled)
    server.save()
    return JSONResponse(asdict(notice))


def _notice(request: Request) -> Notice:
    notice_id = id_in_path(request, "notice_id")
    found = next((notice for notice in server_of(request).state.notices if notice.id == notice_id), None)
    if found is None:
        raise ApiError(404, f"Notice not found: {notice_id}")
    return found


@authorized
async def notice_details(request: Request) -> Response:
    """One notice."""
    return JSONResponse(asdict(_notice(request)))


@authorized
async def change_notice(request: Request) -> Response:
    """Everybody acknowledges for themselves, administrators change the rest."""
    notice, user = _notice(request), caller(request)
    body = await strict(request, _CHANGED)
    if set(body) - {"acknowledged"} and not user.admin:
        raise ApiError(403, "Access denied: admin privileges required.")
    acknowledged = body.pop("acknowledged", None)
    if isinstance(acknowledged, dict):
        notice.acknowledged |= {str(one): bool(value) for one, value in acknowledged.items()}
    gone = body.pop("del_groups", [])
    notice.groups = [group for group in (*notice.groups, *body.pop("add_groups", [])) if group not in gone]
    if "enabled" in body:
        notice.activated = cml_time() if body["enabled"] else None
    for name, value in body.items():
        setattr(notice, name, value)
    server = server_of(request)
    server.state.tell("notice_state_change", time.time(), notice_id=notice.id, enabled=notice.enabled)
    server.save()
    return JSONResponse(asdict(notice))


@administrator
async def remove_notice(request: Request) -> Response:
    """Gone from every page; it is no longer the notice of the maintenance either."""
    notice, server = _notice(request), server_of(request)
    server.state.notices.remove(notice)
    if server.state.maintenance_notice == notice.id:
        server.state.maintenance_notice = None
    server.save()
    return Response(status_code=204)


async def maintenance_mode(request: Request) -> Response:
    """Needs no token."""
    state = server_of(request).state
    found = next((asdict(notice) for notice in state.notices if notice.id == state.maintenance_notice), None)
    return JSONResponse({"maintenance_mode": state.maintenance, "notice": state.maintenance_notice, "resolved_notice": found})


@administrator
async def set_maintenance_mode(request: Request) -> Response:
    """While it is on, only administrators are let in."""
    body = await strict(request, _MAINTENANCE)
    server = server_of(request)
    if body.get("notice") and all(notice.id != body["notice"] for notice in server.state.notices):
        raise ApiError(404, f"Notice not found: {body['notice']}")
    server.state.maintenance = body.get("maintenance_mode", server.state.maintenance)
    server.state.maintenance_notice = body.get("notice", server.state.maintenance_notice)
    server.state.tell("maintenance_state_change", time.time(), maintenance_mode=server.state.maintenance)
    server.save()
    return await maintenance_mode(request)


routes = [
    Route("/system/notices", notices),
    Route("/system/notices", create_notice, methods=["POST"]),
    Route("/system/notices/{notice_id}", notice_details),
    Route("/system/notices/{notice_id}", change_notice, methods=["PATCH"]),
    Route("/system/notices/{notice_id}", remove_notice, methods=["DELETE"]),
    Route("/system/maintenance_mode", maintenance_mode),
    Route("/system/maintenance_mode", set_maintenance_mode, methods=["PATCH"]),
]
