"""What a server has to build labs of, and its diagnostics. Cisco CML 2.9 API: definitions, resource pools, connectors, diagnostics."""

from __future__ import annotations

import time
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import administrator, authorized, server_of
from cmlmanager.sandbox.cml.boot import Phase
from cmlmanager.sandbox.cml.definitions import DEFINITIONS, IMAGES, full, image_definition, simplified
from cmlmanager.sandbox.cml.describing import console_key
from cmlmanager.sandbox.cml.elements import QUEUED, cml_time
from cmlmanager.sandbox.cml.errors import ApiError, invalid
from cmlmanager.sandbox.cml.finding import lab_of
from cmlmanager.sandbox.cml.server import SimulatedServer

_CONNECTORS = (("virbr0", "NAT", True), ("bridge0", "System Bridge", False))
_CATEGORIES = (
    "computes",
    "labs",
    "lab_events",
    "node_launch_queue",
    "services",
    "node_definitions",
    "user_list",
    "licensing",
    "startup_scheduler",
)


@authorized
async def node_definitions(request: Request) -> Response:
    """Every kind of node in full."""
    return JSONResponse([full(one) for one in DEFINITIONS.values()])


@authorized
async def node_definition(request: Request) -> Response:
    """One kind of node, as YAML."""
    return PlainTextResponse(yaml.safe_dump(full(_definition(request)), sort_keys=False))


def _definition(request: Request) -> Any:
    found = DEFINITIONS.get(request.path_params["def_id"])
    if found is None:
        raise ApiError(404, f"Node definition not found: {request.path_params['def_id']}")
    return found


@authorized
async def simplified_node_definitions(request: Request) -> Response:
    """What CML's own pages need of them."""
    return JSONResponse([simplified(one) for one in DEFINITIONS.values()])


@authorized
async def image_definitions(request: Request) -> Response:
    """Every image that is there."""
    return JSONResponse([image_definition(image) for image in IMAGES])


@authorized
async def images_of(request: Request) -> Response:
    """The images of one kind of node."""
    return JSONResponse([image_definition(image) for image in _definition(request).images])


@authorized
async def nothing(request: Request) -> Response:
    """No resource pools, repositories or sample labs are simulated."""
    return JSONResponse([])


@authorized
async def lab_pools(request: Request) -> Response:
    """No lab uses a resource pool."""
    lab_of(request)
    return JSONResponse([])


@authorized
async def drawings(request: Request) -> Response:
    """What somebody drew on the canvas: as imported, it cannot be changed."""
    return JSONResponse(lab_of(request).annotations)


@authorized
async def smart_drawings(request: Request) -> Response:
    """The same of those that follow tags."""
    return JSONResponse(lab_of(request).smart_annotations)


@authorized
async def external_connectors(request: Request) -> Response:
    """The ways out of labs."""
    return JSONResponse(
        [
            {
                "id": f"{n:08d}-0000-4000-a000-000000000000",
                "device_name": device,
                "label": label,
                "protected": False,
                "snooped": snooped,
                "tags": [label],
                "allowed": True,
                "operational": {"label": label, "interface": device, "forwarding": "NAT" if label == "NAT" else "BRIDGE"},
            }
            for n, (device, label, snooped) in enumerate(_CONNECTORS)
        ]
    )


@authorized
async def connector_mappings(request: Request) -> Response:
    """What the external connectors of a lab lead to."""
    lab = lab_of(request)
    keys = {node.files()[0]["content"] for node in lab.nodes if node.node_definition == "external_connector" and node.files()}
    devices = {label: device for device, label, _ in _CONNECTORS}
    return JSONResponse(
        [{"key": key, "device_name": devices.get(key), "label": key, "tags": [key], "allowed": True} for key in sorted(keys)]
    )


@administrator
async def diagnostics(request: Request) -> Response:
    """One category; `dispatcher`, who looks at which console, is known since 2.10."""
    server, category = server_of(request), request.path_params["category"]
    if category not in _CATEGORIES and not (category == "dispatcher" and server.state.is_210):
        raise invalid(["path", "category"], "enum", f"Input should be {', '.join(map(repr, _CATEGORIES))}")
    return JSONResponse(_DIAGNOSES.get(category, lambda server: {})(server))


def _dispatcher(server: SimulatedServer) -> list[dict[str, Any]]:
    """What the control listener said of consoles that somebody looks at: `{node id: epoch seconds of the last key}`."""
    return [
        {
            "key": console_key(node),
            "connection": "Console",
            "clients": 1 if time.time() - server.consoles[node.id] < 300 else 0,
            "last_used": cml_time(server.consoles[node.id]),
        }
        for node in server.state.nodes()
        if node.id in server.consoles and node.runs
    ]


def _labs(server: SimulatedServer) -> dict[str, Any]:
    return {
        lab.id: {
            "created": lab.created,
            "allocated": True,
            "nodes": {node.id: {"state": node.state, "label": node.label} for node in lab.nodes},
            "links": {link.id: {"label": link.label} for link in lab.links},
            "interfaces": {},
        }
        for lab in server.state.labs.values()
    }


def _queue(server: SimulatedServer) -> list[dict[str, Any]]:
    return [
        {"id": node.id, "lab_id": lab.id, "label": node.label, "node_definition": node.node_definition, "cpus": node.cpus}
        for lab in server.state.labs.values()
        for node in lab.nodes
        if node.state == QUEUED
    ]


def _licensing(server: SimulatedServer) -> dict[str, Any]:
    return {
        "quota": server.licence().most_nodes(),
        "started": server.state.active_nodes(),
        "user_quota": None,
        "user_started": 0,
    }


def _scheduler(server: SimulatedServer) -> dict[str, bool]:
    ready = server.phase() is Phase.READY
    known = dict.fromkeys(("licensing_loaded", "core_driver_connected", "node_definitions_loaded", "lld_connected"), True)
    return {**known, "lld_synced": ready, "system_ready": server.can_start_nodes()}


_DIAGNOSES = {
    "dispatcher": _dispatcher,
    "labs": _labs,
    "lab_events": lambda server: {lab.id: lab.events for lab in server.state.labs.values()},
    "node_launch_queue": _queue,
    "services": lambda server: {"dispatcher": True, "termws": True},
    "node_definitions": lambda server: [{"id": one.id, "images": list(one.images)} for one in DEFINITIONS.values()],
    "licensing": _licensing,
    "startup_scheduler": _scheduler,
    "user_list": lambda server: [{"id": user.id, "username": user.username} for user in server.state.users],
}


routes = [
    Route("/node_definitions", node_definitions),
    Route("/node_definitions/{def_id}", node_definition),
    Route("/node_definitions/{def_id}/image_definitions", images_of),
    Route("/simplified_node_definitions", simplified_node_definitions),
    Route("/image_definitions", image_definitions),
    Route("/resource_pools", nothing),
    Route("/resource_pool_usage", nothing),
    Route("/lab_repos", nothing),
    Route("/sample/labs", nothing),
    Route("/labs/{lab_id}/resource_pools", lab_pools),
    Route("/labs/{lab_id}/annotations", drawings),
    Route("/labs/{lab_id}/smart_annotations", smart_drawings),
    Route("/labs/{lab_id}/connector_mappings", connector_mappings),
    Route("/system/external_connectors", external_connectors),
    Route("/diagnostics/{category}", diagnostics),
]
