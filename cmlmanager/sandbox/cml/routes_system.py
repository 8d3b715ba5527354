"""Version, figures and health. Cisco CML 2.9 API, "System", with what 2.10 changed."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import authorized, caller, server_of
from cmlmanager.sandbox.cml.boot import Phase
from cmlmanager.sandbox.cml.numbers import stats_section
from cmlmanager.sandbox.cml.routes_licensing import is_enterprise
from cmlmanager.sandbox.cml.server import SimulatedServer

_CHECKS = (
    "kvm_vmx_enabled",
    "enough_cpus",
    "lld_connected",
    "lld_synced",
    "libvirt",
    "fabric",
    "device_mux",
    "refplat_images_available",
    "docker_shim",
)
_NOT_WHILE_STARTING = ("lld_synced", "fabric", "device_mux")


def _is_210(server: SimulatedServer) -> bool:
    return server.state.version.startswith("2.1")  # 2.10 and above; there is no 2.1 in the fleet


async def system_information(request: Request) -> Response:
    """The readiness probe; needs no token."""
    server = server_of(request)
    answer: dict[str, Any] = {
        "version": server.state.version,
        "ready": server.phase() is Phase.READY,
        "allow_ssh_pubkey_auth": False,
        "oui": "52:54:00:00:00:00",
    }
    if _is_210(server):
        answer |= {"timeout": 10, "features": []}
    return JSONResponse(answer)


@authorized
async def system_stats(request: Request) -> Response:
    """One compute host, which is the controller too."""
    state = server_of(request).state
    stats = stats_section(state, now=time.time())
    compute = {"hostname": state.hostname, "is_controller": True, "stats": stats}
    cpu = {"count": stats["cpu"]["count"], "percent": stats["cpu"]["percent"]}
    return JSONResponse(
        {
            "computes": {state.compute_id: compute},
            "all": {"cpu": cpu, "memory": stats["memory"], "disk": stats["disk"]},
            "controller": {"disk": stats["disk"]},
        }
    )


@authorized
async def system_health(request: Request) -> Response:
    """All checks pass, but for those that starting takes and the one that the fault "degraded" fails."""
    server = server_of(request)
    state = server.state
    checks: dict[str, Any] = dict.fromkeys(_CHECKS, True)
    starting = server.phase() is not Phase.READY
    if starting:
        checks |= dict.fromkeys(_NOT_WHILE_STARTING, False)
    if server.fault == "degraded":
        checks["docker_shim"] = False
    valid = all(checks.values())
    if _is_210(server):
        checks |= {"cpu_overload": False, "memory_overload": False, "disk_overload": False}
    compute = {
        **checks,
        "valid": valid,
        "admission_state": "ONLINE" if starting else "READY",
        "is_controller": True,
        "hostname": state.hostname,
    }
    controller = {"core_connected": True, "nodes_loaded": True, "images_loaded": True, "valid": True}
    if _is_210(server):
        controller |= dict.fromkeys(("airhandler", "dispatcher", "ipsnooper", "pcapdemux"), True)
    return JSONResponse(
        {
            "valid": valid,
            "computes": {state.compute_id: compute},
            "is_licensed": server.licence().licensed,
            "is_enterprise": is_enterprise(server.licence()),
            "controller": controller,
        }
    )


async def maintenance_mode(request: Request) -> Response:
    """Never in maintenance; needs no token."""
    return JSONResponse({"maintenance_mode": False, "notice": None})


@authorized
async def users(request: Request) -> Response:
    """All accounts."""
    state = server_of(request).state
    opt_in = "unset" if _is_210(server_of(request)) else None
    return JSONResponse(
        [
            {
                "id": user.id,
                "username": user.username,
                "fullname": user.fullname,
                "description": "",
                "email": None,
                "admin": user.admin,
                "groups": [],
                "associations": [],
                "resource_pool": None,
                "opt_in": opt_in,
                "tour_version": "",
                "created": user.created,
                "modified": user.created,
                "directory_dn": None,
                "labs": [lab.id for lab in state.labs.values() if lab.owner == user.id],
            }
            for user in state.users
            if caller(request).admin or user.id == caller(request).id
        ]
    )


routes = [
    Route("/system_information", system_information),
    Route("/system_stats", system_stats),
    Route("/system_health", system_health),
    Route("/system/maintenance_mode", maintenance_mode),
    Route("/users", users),
]
