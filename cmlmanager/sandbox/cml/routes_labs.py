"""Labs, read only. Cisco CML 2.9 API, "Labs"."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import authorized, caller, flag, server_of
from cmlmanager.sandbox.cml.errors import ApiError, invalid
from cmlmanager.sandbox.cml.state import Lab, User

_UUID = re.compile(r"[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}")
_PERMISSIONS = ["lab_view", "lab_admin", "lab_exec", "lab_edit"]


def _visible(lab: Lab, user: User) -> bool:
    return user.admin or lab.owner == user.id


def _lab(request: Request) -> Lab:
    """The lab of the path. Raises ApiError 400 for what is no UUID, 404 for one unknown or not visible."""
    lab_id = request.path_params["lab_id"]
    if not _UUID.fullmatch(lab_id):
        raise invalid(["path", "lab_id"], "string_pattern_mismatch", "String should match the pattern of a UUID4")
    lab = server_of(request).state.labs.get(lab_id)
    if lab is None or not _visible(lab, caller(request)):
        raise ApiError(404, f"Lab not found: {lab_id}")
    return lab


def _summary(request: Request, lab: Lab) -> dict[str, Any]:
    state = server_of(request).state
    owner = state.user(user_id=lab.owner)
    answer: dict[str, Any] = {
        "id": lab.id,
        "created": lab.created,
        "modified": lab.modified,
        "lab_title": lab.title,
        "lab_description": lab.description,
        "lab_notes": lab.notes,
        "owner": lab.owner,
        "owner_username": owner.username if owner else "",
        "owner_fullname": owner.fullname if owner else "",
        "state": lab.state,
        "node_count": len(lab.nodes),
        "link_count": len(lab.links),
        "effective_permissions": _PERMISSIONS,
    }
    if state.version.startswith("2.1"):  # 2.10 and above
        answer["autostart"] = {"enabled": False, "priority": None, "delay": None}
        answer["node_staging"] = {"enabled": False, "start_remaining": True, "abort_on_failure": False}
    else:
        answer["groups"] = []
    return answer


@authorized
async def labs(request: Request) -> Response:
    """Ids of the caller's own labs; with `show_all` of every lab that it may see."""
    user, show_all = caller(request), flag(request, "show_all")
    state = server_of(request).state
    return JSONResponse([lab.id for lab in state.labs.values() if lab.owner == user.id or (show_all and _visible(lab, user))])


@authorized
async def lab_details(request: Request) -> Response:
    """One lab without its topology."""
    return JSONResponse(_summary(request, _lab(request)))


@authorized
async def lab_state(request: Request) -> Response:
    """The state alone, as a JSON string."""
    return JSONResponse(_lab(request).state)


@authorized
async def populate_lab_tiles(request: Request) -> Response:
    """Every visible lab with its topology, as CML's dashboard asks for them."""
    visible = [lab for lab in server_of(request).state.labs.values() if _visible(lab, caller(request))]
    return JSONResponse({"lab_tiles": {lab.id: {**_summary(request, lab), "topology": _topology(lab)} for lab in visible}})


def _topology(lab: Lab) -> dict[str, Any]:
    return {"nodes": [asdict(node) for node in lab.nodes], "links": [asdict(link) for link in lab.links]}


routes = [
    Route("/labs", labs),
    Route("/labs/{lab_id}", lab_details),
    Route("/labs/{lab_id}/state", lab_state),
    Route("/populate_lab_tiles", populate_lab_tiles),
]
