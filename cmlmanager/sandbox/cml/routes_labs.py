"""Labs: listed, made, changed, started, stopped, wiped and removed. Cisco CML 2.9 API, "Labs"."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import authorized, caller, flag, server_of, strict
from cmlmanager.sandbox.cml.bodies import Choice, Fields, Items, Nullable, Text, Whole, uuid4
from cmlmanager.sandbox.cml.bodies import flag as boolean
from cmlmanager.sandbox.cml.describing import lab_answer, tile_answer
from cmlmanager.sandbox.cml.elements import DEFINED, STARTED, STOPPED, Lab, Node, cml_time, new_id
from cmlmanager.sandbox.cml.errors import ApiError, invalid
from cmlmanager.sandbox.cml.finding import PERMISSIONS, lab_of, permissions
from cmlmanager.sandbox.cml.server import SimulatedServer

_SHARES = Items(of=Fields({"id": uuid4, "permissions": Items(of=Choice(tuple(PERMISSIONS)))}, required=("id", "permissions")))
_ASSOCIATIONS = Fields({"groups": _SHARES, "users": _SHARES})
_OLD_GROUPS = Items(
    of=Fields(
        {"id": uuid4, "permission": Choice(("read_only", "read_write")), "name": Text(most=64)}, required=("id", "permission")
    )
)
_LAB: dict[str, Any] = {
    "title": Text(least=1, most=64),
    "description": Text(most=4096),
    "notes": Text(most=32768),
    "owner": uuid4,
    "associations": _ASSOCIATIONS,
}
_LAB_29 = Fields({**_LAB, "groups": _OLD_GROUPS})
_AUTOSTART = Fields({"enabled": boolean, "priority": Nullable(Whole(most=10000)), "delay": Nullable(Whole(most=86400))})
_STAGING = Fields({"enabled": boolean, "start_remaining": boolean, "abort_on_failure": boolean})
_LAB_210 = Fields({**_LAB, "autostart": _AUTOSTART, "node_staging": _STAGING})


@authorized
async def labs(request: Request) -> Response:
    """Ids of the caller's own labs; with `show_all` of every lab that it may see."""
    user, show_all = caller(request), flag(request, "show_all")
    state = server_of(request).state
    seen = [lab for lab in state.labs.values() if lab.owner == user.id or (show_all and permissions(state, lab, user))]
    return JSONResponse([lab.id for lab in seen])


@authorized
async def create_lab(request: Request) -> Response:
    """An empty lab of the caller's."""
    body = await _lab_body(request)
    made = new_lab(owner=caller(request).id, title=body.get("title"))
    server_of(request).state.labs[made.id] = made
    _change(request, made, body)
    return _lab_answer(request, made)


def new_lab(*, owner: str, title: str | None) -> Lab:
    """A lab with nothing in it; without a title it gets CML's own."""
    named = title or time.strftime("Lab at %a %H:%M %p")
    return Lab(id=new_id(), title=named, description="", notes="", owner=owner, created=cml_time(), modified=cml_time())


async def _lab_body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = await strict(request, _LAB_210 if server_of(request).state.is_210 else _LAB_29)
    return body


def _change(request: Request, lab: Lab, body: dict[str, Any]) -> None:
    server = server_of(request)
    if "owner" in body and server.state.user(user_id=body["owner"]) is None:
        raise ApiError(404, f"User does not exist: {body['owner']}.")
    for shared in body.pop("groups", []):
        writes = ["lab_edit", "lab_exec"] if shared["permission"] == "read_write" else []
        lab.associations["groups"].append({"id": shared["id"], "permissions": ["lab_view", *writes]})
    for name in ("autostart", "node_staging", "associations"):
        getattr(lab, name).update(body.pop(name, {}))
    for name, value in body.items():
        setattr(lab, name, value)
    lab.modified = cml_time()
    lab.tell("CHANGE", "LAB", lab.id, at=time.time(), data=body)
    server.save()


def _lab_answer(request: Request, lab: Lab) -> Response:
    return JSONResponse(lab_answer(server_of(request).state, lab, caller(request)))


@authorized
async def lab_details(request: Request) -> Response:
    """One lab without its topology."""
    return _lab_answer(request, lab_of(request))


@authorized
async def change_lab(request: Request) -> Response:
    """Title, description, notes, owner, sharing; on 2.10 also autostart and staging."""
    lab = lab_of(request, "lab_edit")
    _change(request, lab, await _lab_body(request))
    return _lab_answer(request, lab)


@authorized
async def remove_lab(request: Request) -> Response:
    """Only what is stopped and wiped goes."""
    lab = lab_of(request, "lab_admin")
    if lab.state == STARTED:
        raise ApiError(400, f"Cannot delete a running lab: {lab.id}. Stop and wipe the lab first.")
    if lab.state == STOPPED:
        raise ApiError(400, f"Cannot delete a lab with nodes that have not been wiped: {lab.id}. Wipe the lab first.")
    server = server_of(request)
    del server.state.labs[lab.id]
    server.save()
    return Response(status_code=204)


def start_nodes(server: SimulatedServer, lab: Lab, nodes: list[Node]) -> None:
    """Queue these nodes. Raises ApiError 400 when no host can run them, or the licence does not hold so many."""
    waiting = [node for node in nodes if not node.active]
    if waiting and not server.can_start_nodes():
        raise ApiError(400, "No compute host is ready to start nodes.")
    state = server.state
    wanted = sum(node.definition.licensed for node in waiting)
    if wanted and state.active_nodes() + wanted > server.licence().most_nodes():
        raise ApiError(400, "Licensing issue: Maximum node count exceeded.")
    now = time.time()
    for node in waiting:
        state.tell("queue_node", now, lab_id=lab.id, node_id=node.id, node_definition=node.node_definition)
    lab.start(waiting, now=now, pace=server.pace, starting=state.is_210)


@authorized
async def start_lab(request: Request) -> Response:
    """All nodes, or none when they do not all fit; they come up one after another."""
    lab, server = lab_of(request, "lab_exec"), server_of(request)
    start_nodes(server, lab, lab.nodes)
    lab.empty_state = STARTED
    server.state.tell("start_lab", time.time(), lab_id=lab.id, user_id=caller(request).id, nodes=len(lab.nodes))
    server.save()
    return Response(status_code=204)


@authorized
async def stop_lab(request: Request) -> Response:
    """All nodes, one after another."""
    lab, server = lab_of(request, "lab_exec"), server_of(request)
    lab.stop(lab.nodes, now=time.time(), pace=server.pace)
    lab.empty_state = STOPPED
    server.state.tell("stop_lab", time.time(), lab_id=lab.id, user_id=caller(request).id)
    server.save()
    return Response(status_code=204)


@authorized
async def wipe_lab(request: Request) -> Response:
    """Every disk of a lab that is stopped."""
    lab, server = lab_of(request, "lab_exec"), server_of(request)
    if lab.state == STARTED:
        raise ApiError(400, f"Cannot wipe a running lab: {lab.id}. Stop the lab first.")
    now = time.time()
    for node in lab.nodes:
        if node.state == STOPPED:
            server.state.tell("wipe_node", now, lab_id=lab.id, node_id=node.id)
    lab.wipe(lab.nodes, now=now)
    lab.empty_state = DEFINED
    server.save()
    return Response(status_code=204)


@authorized
async def lab_state(request: Request) -> Response:
    """The state alone, as a JSON string."""
    return JSONResponse(lab_of(request).state)


@authorized
async def check_if_converged(request: Request) -> Response:
    """Whether nothing is on its way."""
    return JSONResponse(lab_of(request).converged)


@authorized
async def lab_element_state(request: Request) -> Response:
    """The states of everything in a lab, by id."""
    lab = lab_of(request)
    by_id = {node.id: node for node in lab.nodes}
    return JSONResponse(
        {
            "nodes": {node.id: node.state for node in lab.nodes},
            "links": {link.id: lab.link_state(link, by_id) for link in lab.links},
            "interfaces": {one.id: lab.interface_state(node, one) for node in lab.nodes for one in node.interfaces},
        }
    )


@authorized
async def tile(request: Request) -> Response:
    """One lab with its topology."""
    return JSONResponse(tile_answer(server_of(request).state, lab_of(request), caller(request)))


@authorized
async def populate_lab_tiles(request: Request) -> Response:
    """Every visible lab with its topology, as CML's dashboard asks for them."""
    state, user = server_of(request).state, caller(request)
    visible = [lab for lab in state.labs.values() if permissions(state, lab, user)]
    return JSONResponse({"lab_tiles": {lab.id: tile_answer(state, lab, user) for lab in visible}})


@authorized
async def events(request: Request) -> Response:
    """What happened in a lab, oldest first."""
    return JSONResponse(lab_of(request).events)


@authorized
async def associations(request: Request) -> Response:
    """Whom a lab is shared with; known since 2.9."""
    lab = lab_of(request, "lab_admin" if request.method == "PATCH" else "lab_view")
    server = server_of(request)
    if server.state.minor < (2, 9):
        raise ApiError(404, "Not Found")
    if request.method == "PATCH":
        body = await strict(request, _ASSOCIATIONS)
        known = {user.id for user in server.state.users} | {group.id for group in server.state.groups}
        for kind, shares in body.items():
            for position, share in enumerate(shares):
                if share["id"] not in known:
                    raise invalid(["body", kind, position, "id"], "value_error", f"Unknown id {share['id']}")
        lab.associations.update(body)
        server.save()
    return JSONResponse(lab.associations)


routes = [
    Route("/labs", labs),
    Route("/labs", create_lab, methods=["POST"]),
    Route("/labs/{lab_id}", lab_details),
    Route("/labs/{lab_id}", change_lab, methods=["PATCH"]),
    Route("/labs/{lab_id}", remove_lab, methods=["DELETE"]),
    Route("/labs/{lab_id}/start", start_lab, methods=["PUT"]),
    Route("/labs/{lab_id}/state/start", start_lab, methods=["PUT"]),  # up to 2.4
    Route("/labs/{lab_id}/stop", stop_lab, methods=["PUT"]),
    Route("/labs/{lab_id}/wipe", wipe_lab, methods=["PUT"]),
    Route("/labs/{lab_id}/state", lab_state),
    Route("/labs/{lab_id}/check_if_converged", check_if_converged),
    Route("/labs/{lab_id}/lab_element_state", lab_element_state),
    Route("/labs/{lab_id}/tile", tile),
    Route("/labs/{lab_id}/events", events),
    Route("/labs/{lab_id}/associations", associations, methods=["GET", "PATCH"]),
    Route("/populate_lab_tiles", populate_lab_tiles),
]
