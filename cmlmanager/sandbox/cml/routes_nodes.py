"""Nodes. Cisco CML 2.9 API, "Nodes"."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import authorized, caller, flag, server_of, strict
from cmlmanager.sandbox.cml.bodies import Fields, Text
from cmlmanager.sandbox.cml.definitions import DEFINITIONS
from cmlmanager.sandbox.cml.describing import console_key, interface_answer, node_answer
from cmlmanager.sandbox.cml.documents import EXTRAS, NODE_FIELDS
from cmlmanager.sandbox.cml.elements import BOOTED, DEFINED, STOPPED, Lab, Node, cml_time
from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.finding import lab_of, node_of, permissions
from cmlmanager.sandbox.cml.routes_labs import start_nodes

_NEW = Fields({**NODE_FIELDS, "node_definition": Text(least=1, most=250)}, required=("x", "y", "label", "node_definition"))
_CHANGED = Fields(NODE_FIELDS)


@authorized
async def nodes(request: Request) -> Response:
    """Ids, or with `data` the nodes themselves."""
    lab = lab_of(request)
    if not flag(request, "data"):
        return JSONResponse([node.id for node in lab.nodes])
    return JSONResponse([_answer(request, lab, node) for node in lab.nodes])


@authorized
async def all_nodes(request: Request) -> Response:
    """All nodes of all labs that the caller sees."""
    state, user = server_of(request).state, caller(request)
    seen = [lab for lab in state.labs.values() if permissions(state, lab, user)]
    return JSONResponse([_answer(request, lab, node) for lab in seen for node in lab.nodes])


def _answer(request: Request, lab: Lab, node: Node) -> dict[str, Any]:
    excluded, operational = flag(request, "exclude_configurations"), flag(request, "operational")
    return node_answer(server_of(request).state, lab, node, configurations=not excluded, operational=operational)


@authorized
async def create_node(request: Request) -> Response:
    """A node, with its first interfaces when `populate_interfaces` says so."""
    lab, server = lab_of(request, "lab_edit"), server_of(request)
    body = await strict(request, _NEW)
    kind = DEFINITIONS.get(body["node_definition"])
    if kind is None:
        raise ApiError(404, f"Node definition not found: {body['node_definition']}")
    node = Node(
        label=body["label"],
        x=body["x"],
        y=body["y"],
        node_definition=kind.id,
        image_definition=body.get("image_definition"),
        cpus=body.get("cpus") or kind.cpus,
        ram=body.get("ram") or kind.ram,
        configuration=body.get("configuration"),
        tags=body.get("tags", []),
        extras={name: body[name] for name in EXTRAS if body.get(name) is not None},
    )
    if flag(request, "populate_interfaces"):
        node.new_loopback()
        for _ in range(min(4, kind.most)):
            node.new_interface()
    lab.nodes.append(node)
    _touched(request, lab, node, "ADD")
    return JSONResponse({"id": node.id} if server.state.minor < (2, 10) else node_answer(server.state, lab, node))


def _touched(request: Request, lab: Lab, node: Node, event: str) -> None:
    lab.modified = cml_time()
    lab.tell(event, "NODE", node.id, at=time.time(), data={"label": node.label})
    server_of(request).save()


@authorized
async def node_details(request: Request) -> Response:
    """One node."""
    lab, node = node_of(request)
    return JSONResponse(_answer(request, lab, node))


@authorized
async def change_node(request: Request) -> Response:
    """Everything but its kind; what it is made of only while it is wiped."""
    lab, node = node_of(request, "lab_edit")
    body = await strict(request, _CHANGED)
    if node.state != DEFINED and set(body) & {
        "image_definition",
        "ram",
        "cpus",
        "configuration",
        "boot_disk_size",
        "data_volume",
    }:
        raise ApiError(400, f"Cannot change node {node.id}: it must be wiped first.")
    for name, value in body.items():
        if name in EXTRAS:
            node.extras[name] = value
        elif value is not None or name in ("configuration", "image_definition"):
            setattr(node, name, value)
    _touched(request, lab, node, "CHANGE")
    return JSONResponse(node.id)


@authorized
async def remove_node(request: Request) -> Response:
    """With its links; only while it is wiped."""
    lab, node = node_of(request, "lab_edit")
    if node.state != DEFINED:
        raise ApiError(400, f"Cannot delete node {node.id}: it must be stopped and wiped first.")
    lab.nodes.remove(node)
    lab.links = [link for link in lab.links if node.id not in (link.node_a, link.node_b)]
    _touched(request, lab, node, "REMOVE")
    return Response(status_code=204)


@authorized
async def node_state(request: Request) -> Response:
    """The state and how far it has booted."""
    lab, node = node_of(request)
    answer = node_answer(server_of(request).state, lab, node)
    return JSONResponse({"state": answer["state"], "progress": answer["boot_progress"]})


@authorized
async def node_converged(request: Request) -> Response:
    """Whether nothing is on its way."""
    _, node = node_of(request)
    return JSONResponse(not node.agenda)


@authorized
async def start_node(request: Request) -> Response:
    """Queued, then launched."""
    lab, node = node_of(request, "lab_exec")
    start_nodes(server_of(request), lab, [node])
    server_of(request).save()
    return Response(status_code=204)


@authorized
async def stop_node(request: Request) -> Response:
    """Halted."""
    lab, node = node_of(request, "lab_exec")
    server = server_of(request)
    lab.stop([node], now=time.time(), pace=server.pace)
    server.save()
    return Response(status_code=204)


@authorized
async def wipe_node(request: Request) -> Response:
    """Only while it does not run."""
    lab, node = node_of(request, "lab_exec")
    if node.active:
        raise ApiError(400, f"Cannot wipe node {node.id}: it is running.")
    server = server_of(request)
    if node.state == STOPPED:
        server.state.tell("wipe_node", time.time(), lab_id=lab.id, node_id=node.id)
    lab.wipe([node], now=time.time())
    server.save()
    return Response(status_code=204)


@authorized
async def extract_configuration(request: Request) -> Response:
    """What a booted node runs becomes its configuration."""
    lab, node = node_of(request, "lab_edit")
    if not node.definition.extracts:
        raise ApiError(400, f"Node definition {node.node_definition} does not support configuration extraction.")
    if node.state != BOOTED:
        raise ApiError(400, f"Cannot extract the configuration of node {node.id}: it is not booted.")
    kept = [line for line in node.files()[0]["content"].splitlines() if not line.startswith("! Last configuration change at ")]
    text = "\n".join([f"! Last configuration change at {cml_time(node.since[BOOTED])}", *kept, ""])
    node.configuration = [{"name": node.definition.file, "content": text}]
    _touched(request, lab, node, "CHANGE")
    return JSONResponse("Configuration extracted.")


@authorized
async def node_interfaces(request: Request) -> Response:
    """Ids, or with `data` the interfaces themselves."""
    lab, node = node_of(request)
    if not flag(request, "data"):
        return JSONResponse([one.id for one in node.interfaces])
    operational = flag(request, "operational")
    return JSONResponse([interface_answer(lab, node, one, operational=operational) for one in node.interfaces])


@authorized
async def console(request: Request) -> Response:
    """The key of its console, as a JSON string."""
    _, node = node_of(request, "lab_exec")
    if not node.runs or not node.ram:
        raise ApiError(404, f"Node {node.id} has no console.")
    return JSONResponse(console_key(node))


@authorized
async def console_log(request: Request) -> Response:
    """What its console has shown, as a JSON string."""
    _, node = node_of(request)
    lines = ["Press RETURN to get started!", "", f"{node.label}>"] if node.state == BOOTED else []
    return JSONResponse("\n".join(lines))


_NODE = "/labs/{lab_id}/nodes/{node_id}"
routes = [
    Route("/nodes", all_nodes),
    Route("/labs/{lab_id}/nodes", nodes),
    Route("/labs/{lab_id}/nodes", create_node, methods=["POST"]),
    Route(_NODE, node_details),
    Route(_NODE, change_node, methods=["PATCH"]),
    Route(_NODE, remove_node, methods=["DELETE"]),
    Route(f"{_NODE}/state", node_state),
    Route(f"{_NODE}/check_if_converged", node_converged),
    Route(f"{_NODE}/state/start", start_node, methods=["PUT"]),
    Route(f"{_NODE}/state/stop", stop_node, methods=["PUT"]),
    Route(f"{_NODE}/wipe_disks", wipe_node, methods=["PUT"]),
    Route(f"{_NODE}/extract_configuration", extract_configuration, methods=["PUT"]),
    Route(f"{_NODE}/interfaces", node_interfaces),
    Route(f"{_NODE}/keys/console", console),
    Route(f"{_NODE}/consoles/{{console_id}}/log", console_log),
]
