"""What running labs show: traffic and time, addresses, consoles. Cisco CML 2.9 API."""

from __future__ import annotations

import random
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import authorized, caller, flag, server_of
from cmlmanager.sandbox.cml.describing import console_key
from cmlmanager.sandbox.cml.elements import BOOTED, QUEUED, STARTED, Lab, Link, Node, mac_of
from cmlmanager.sandbox.cml.finding import lab_of, node_of, permissions


@authorized
async def simulation_stats(request: Request) -> Response:
    """CPU, disk and time of the running nodes, traffic of the links between them: objects by id, whatever the API's description says."""
    lab, now = lab_of(request), time.time()
    by_id = {node.id: node for node in lab.nodes}
    running = [link for link in lab.links if lab.link_state(link, by_id) == STARTED]
    return JSONResponse(
        {
            "nodes": {node.id: _node_figures(node, now) for node in lab.nodes if node.runs},
            "links": {link.id: _link_figures(link, by_id, now) for link in running},
        }
    )


def _node_figures(node: Node, now: float) -> dict[str, Any]:
    chance, up = random.Random(node.id), now - node.since.get(STARTED, now)
    busy = chance.uniform(0.3, 4.0) * (6 if node.state == STARTED else 1) if node.ram else 0.0
    return {
        "cpu_usage": round(busy * (1 + 0.1 * random.Random(f"{node.id}/{now // 10:.0f}").uniform(-1, 1)), 2),
        "block0_rd_bytes": int(chance.uniform(2e7, 2e8) * min(1.0, up / 60)) if node.ram else 0,
        "block0_wr_bytes": int(chance.uniform(500, 9000) * up) if node.ram else 0,
        "times": {
            QUEUED: int(node.since.get(STARTED, now) - node.since.get(QUEUED, now)),
            STARTED: int(up),
            BOOTED: int(now - node.since.get(BOOTED, now)),
        },
    }


def _link_figures(link: Link, by_id: dict[str, Node], now: float) -> dict[str, int]:
    up = now - max(by_id[end].since.get(STARTED, now) for end in (link.node_a, link.node_b))
    chance = random.Random(link.id)
    read, written, size = chance.uniform(40, 900) * up, chance.uniform(40, 900) * up, chance.uniform(70, 400)
    return {
        "readbytes": int(read),
        "readpackets": int(read / size),
        "writebytes": int(written),
        "writepackets": int(written / size),
        "drops": 0,
    }


@authorized
async def layer3_addresses(request: Request) -> Response:
    """Addresses that booted nodes beside an external connector got from it."""
    lab = lab_of(request)
    return JSONResponse(
        {node.id: _addresses(lab, node) for node in lab.nodes if node.state == BOOTED and _addresses(lab, node)}
    )


@authorized
async def node_addresses(request: Request) -> Response:
    """The same of one node."""
    lab, node = node_of(request)
    found = _addresses(lab, node) if node.state == BOOTED else {}
    return JSONResponse(found or {"name": node.label, "interfaces": {}})


def _addresses(lab: Lab, node: Node) -> dict[str, Any]:
    outside = {one.id for one in lab.nodes if one.node_definition == "external_connector" and one.runs}
    found = {}
    for port in node.interfaces:
        link = lab.link_of(port.id)
        if link and {link.node_a, link.node_b} & outside and node.id not in outside:
            address = f"192.168.255.{random.Random(port.id).randrange(10, 240)}"
            found[mac_of(port)] = {"id": port.id, "label": port.label, "ip4": [address], "ip6": []}
    return {"name": node.label, "interfaces": found} if found else {}


@authorized
async def console_keys(request: Request) -> Response:
    """The consoles of all running nodes of the caller's labs, or with `show_all` of all that it sees, by key."""
    state, user, show_all = server_of(request).state, caller(request), flag(request, "show_all")
    seen = [
        lab for lab in state.labs.values() if lab.owner == user.id or (show_all and "lab_exec" in permissions(state, lab, user))
    ]
    return JSONResponse(
        {
            console_key(node): {
                "node_id": node.id,
                "compute_id": state.compute_of(node),
                "lab_id": lab.id,
                "label": node.label,
                "driver": "KVM",
                "line": 0,
            }
            for lab in seen
            for node in lab.nodes
            if node.runs and node.ram
        }
    )


@authorized
async def vnc_keys(request: Request) -> Response:
    """No kind of node here has a screen."""
    return JSONResponse({})


@authorized
async def pyats_testbed(request: Request) -> Response:
    """An empty testbed of this lab, as YAML."""
    return PlainTextResponse(f"testbed:\n  name: {lab_of(request).id}\ndevices: {{}}\ntopology: {{}}\n")


routes = [
    Route("/labs/{lab_id}/simulation_stats", simulation_stats),
    Route("/labs/{lab_id}/layer3_addresses", layer3_addresses),
    Route("/labs/{lab_id}/nodes/{node_id}/layer3_addresses", node_addresses),
    Route("/labs/{lab_id}/pyats_testbed", pyats_testbed),
    Route("/keys/console", console_keys),
    Route("/keys/vnc", vnc_keys),
]
