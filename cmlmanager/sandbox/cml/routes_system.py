"""Version, telemetry, health and licence. Cisco CML 2.9 API, "System" and "Licensing", with what 2.10 changed."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import authorized, caller, server_of
from cmlmanager.sandbox.cml.boot import Phase
from cmlmanager.sandbox.cml.numbers import stats_section
from cmlmanager.sandbox.cml.server import SimulatedServer
from cmlmanager.sandbox.cml.state import Licence

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
_SSMS = "https://smartreceiver.cisco.com/licservice/license"
_BASE_LICENCE = "regid.2019-10.com.cisco.CML_ENT_BASE,1.0_15d3393c-846c-4e00-a54e-1ea90f2b2160"
_NODE_LICENCE = "regid.2019-10.com.cisco.CML_NODE_COUNT,1.0_2607650b-6ca8-46d5-81e5-e6688b7383c4"


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
            "is_licensed": state.licence.registration == "COMPLETED",
            "is_enterprise": True,
            "controller": controller,
        }
    )


@authorized
async def licensing(request: Request) -> Response:
    """Registration, authorization and entitlements; times are naive."""
    state = server_of(request).state
    licence = state.licence
    registered = licence.registration == "COMPLETED"
    return JSONResponse(
        {
            "registration": {
                "status": licence.registration,
                "smart_account": "Example Networks Academy" if registered else None,
                "virtual_account": "CML Training" if registered else None,
                "expires": licence.registration_expires,
                "register_time": _times(licence.registered_at),
                "renew_time": _times(None),
            },
            "authorization": {
                "status": licence.authorization,
                "expires": licence.authorization_expires,
                "renew_time": _times(None),
            },
            "features": _features(licence, running_nodes=state.running_nodes()),
            "reservation_mode": False,
            "transport": {"default_ssms": _SSMS, "ssms": _SSMS, "proxy": {"server": None, "port": None}},
            "udi": {"hostname": state.hostname, "product_uuid": state.product_uuid},
            "product_license": {"active": "CML_Enterprise", "is_enterprise": True},
        }
    )


def _times(attempted: str | None) -> dict[str, Any]:
    # even after a success a real server has no time in `succeeded`
    said = {"failure": "OK", "success": "SUCCESS"} if attempted else {"failure": None, "success": None}
    return {"succeeded": None, "attempted": attempted, "scheduled": None, "status": None, **said}


def _features(licence: Licence, *, running_nodes: int) -> list[dict[str, Any]]:
    if licence.registration != "COMPLETED":
        return []
    shared = {"status": licence.authorization, "version": "1.0", "min": 0, "minEndDate": None, "maxEndDate": None}
    return [
        {
            "id": _BASE_LICENCE,
            "name": "CML - Enterprise License",
            "description": "Cisco Modeling Labs - Enterprise License with 20 nodes capacity",
            "in_use": 1,
            "max": 1,
            **shared,
        },
        {
            "id": _NODE_LICENCE,
            "name": "CML - Expansion Nodes",
            "description": "Cisco Modeling Labs - Expansion Nodes for CML Enterprise Servers",
            "in_use": max(licence.node_count, running_nodes),
            "max": 500,
            **shared,
        },
    ]


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
    Route("/licensing", licensing),
    Route("/system/maintenance_mode", maintenance_mode),
    Route("/users", users),
]
