"""Version, figures, health, compute hosts and telemetry. Cisco CML 2.9 API, "System" and "Telemetry", with what 2.10 changed."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import administrator, authorized, server_of, strict
from cmlmanager.sandbox.cml.bodies import Choice, Fields, Nullable
from cmlmanager.sandbox.cml.bodies import flag as boolean
from cmlmanager.sandbox.cml.boot import Phase
from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.numbers import all_section, stats_section
from cmlmanager.sandbox.cml.routes_licensing import is_enterprise
from cmlmanager.sandbox.cml.server import SimulatedServer
from cmlmanager.sandbox.cml.telemetry import events

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
_ADMISSIONS = ("UNREGISTERED", "REGISTERED", "ONLINE", "READY")
_OPT_IN = {True: "accepted", False: "declined", None: "unset"}


async def system_information(request: Request) -> Response:
    """The readiness probe; needs no token."""
    server = server_of(request)
    answer: dict[str, Any] = {
        "version": server.state.version,
        "ready": server.can_start_nodes(),
        "allow_ssh_pubkey_auth": False,
        "oui": "52:54:00:00:00:00",
    }
    if server.state.is_210:
        answer |= {"timeout": 10, "features": []}
    return JSONResponse(answer)


@authorized
async def system_stats(request: Request) -> Response:
    """Every compute host, and their sum; the first is the controller."""
    state, now = server_of(request).state, time.time()
    computes: dict[str, dict[str, Any]] = {
        host: {"hostname": name, "is_controller": host == state.compute_id, "stats": stats_section(state, now=now, host=host)}
        for host, name in state.computes().items()
    }
    disk = computes[state.compute_id]["stats"]["disk"]
    return JSONResponse({"computes": computes, "all": all_section(state, now=now), "controller": {"disk": disk}})


@authorized
async def system_health(request: Request) -> Response:
    """All checks pass, but for those that starting takes and the one that a fault fails."""
    server = server_of(request)
    state = server.state
    computes = {host: _compute_health(server, host, name) for host, name in state.computes().items()}
    controller = {"core_connected": True, "nodes_loaded": True, "images_loaded": True, "valid": True}
    if state.is_210:
        controller |= dict.fromkeys(("airhandler", "dispatcher", "ipsnooper", "pcapdemux"), True)
    return JSONResponse(
        {
            "valid": all(compute["valid"] for compute in computes.values()),
            "computes": computes,
            "is_licensed": server.licence().licensed,
            "is_enterprise": is_enterprise(server.licence()),
            "controller": controller,
        }
    )


def _compute_health(server: SimulatedServer, host: str, name: str) -> dict[str, Any]:
    checks: dict[str, Any] = dict.fromkeys(_CHECKS, True)
    starting = server.phase() is not Phase.READY
    if starting:
        checks |= dict.fromkeys(_NOT_WHILE_STARTING, False)
    if server.fault == "degraded" and host == server.state.compute_id:
        checks["docker_shim"] = False
    if server.fault == "no_kvm":
        checks["kvm_vmx_enabled"] = False
    valid = all(checks.values())
    if server.state.is_210:
        checks |= {"cpu_overload": False, "memory_overload": False, "disk_overload": False}
    return {
        **checks,
        "valid": valid,
        "admission_state": _admission(server, host),
        "is_controller": host == server.state.compute_id,
        "hostname": name,
    }


def _admission(server: SimulatedServer, host: str) -> str:
    return server.state.admissions.get(host, "READY") if server.phase() is Phase.READY else "ONLINE"


def _host(server: SimulatedServer, host: str) -> dict[str, Any]:
    state = server.state
    placed = [node.id for node in state.nodes() if state.compute_of(node) == host]
    answer = {
        "id": host,
        "server_address": f"169.254.1.{list(state.computes()).index(host) + 1}",
        "hostname": state.computes()[host],
        "is_simulator": True,
        "is_connector": host == state.compute_id,
        "admission_state": _admission(server, host),
        "node_counts": {
            "total_nodes": len(placed),
            "total_orphans": 0,
            "running_nodes": len(placed),
            "running_orphans": 0,
        },
        "is_connected": True,
        "is_synced": server.phase() is Phase.READY,
    }
    return answer if state.is_210 else {**answer, "nodes": placed}


@authorized
async def compute_hosts(request: Request) -> Response:
    """The hosts of the cluster."""
    server = server_of(request)
    return JSONResponse([_host(server, host) for host in server.state.computes()])


@administrator
async def compute_host(request: Request) -> Response:
    """One host, read, or with PATCH taken in or out of service."""
    server, host = server_of(request), request.path_params["compute_id"]
    if host not in server.state.computes():
        raise ApiError(404, f"Compute host not found: {host}")
    if request.method == "PATCH":
        body = await strict(request, Fields({"admission_state": Choice(_ADMISSIONS)}, required=("admission_state",)))
        server.state.admissions[host] = body["admission_state"]
        server.save()
    return JSONResponse(_host(server, host))


@administrator
async def host_configuration(request: Request) -> Response:
    """What new hosts begin as."""
    return JSONResponse({"admission_state": "READY"})


@authorized
async def telemetry(request: Request) -> Response:
    """Whether this server may tell Cisco what is done on it."""
    state = server_of(request).state
    opt_in = _OPT_IN[state.telemetry_opt_in] if state.is_210 else state.telemetry_opt_in
    return JSONResponse({"opt_in": opt_in, "show_modal": state.telemetry_opt_in is None})


@administrator
async def set_telemetry(request: Request) -> Response:
    """Opts in or out; what was told before stays."""
    server = server_of(request)
    words = {word: value for value, word in _OPT_IN.items()}
    words |= {word.upper(): value for word, value in words.items()}
    kind = Choice(tuple(words)) if server.state.is_210 else Nullable(boolean)
    wanted = (await strict(request, Fields({"opt_in": kind}, required=("opt_in",))))["opt_in"]
    server.state.telemetry_opt_in = words[wanted] if server.state.is_210 else wanted
    server.save()
    return await telemetry(request)


@administrator
async def telemetry_events(request: Request) -> Response:
    """Everything that was told so far."""
    return JSONResponse(events(server_of(request).state, now=time.time()))


@authorized
async def session_timeout(request: Request) -> Response:
    """Of CML's own pages, in seconds."""
    return JSONResponse(86400)


routes = [
    Route("/system_information", system_information),
    Route("/system_stats", system_stats),
    Route("/system_health", system_health),
    Route("/system/compute_hosts", compute_hosts),
    Route("/system/compute_hosts/configuration", host_configuration),
    Route("/system/compute_hosts/{compute_id}", compute_host, methods=["GET", "PATCH"]),
    Route("/telemetry", telemetry),
    Route("/telemetry", set_telemetry, methods=["PUT"]),
    Route("/telemetry/events", telemetry_events),
    Route("/web_session_timeout", session_timeout),
]
