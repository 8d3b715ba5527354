"""The control listener: tests and demonstrations look at the servers and make them misbehave. Plain HTTP on 127.0.0.1.

`GET /servers` lists them. `POST /servers/<instance id>` takes any of `mode` with its options (see `faults.Misbehaviour`),
`fault`, `licensing` (see `change_licensing`), `add_labs` (objects of `fleet.DemoLab`), `remove_labs` (ids), `lab_states` (state by id),
`certificate` ("new"), `token_seconds` (how long new tokens are good), `telemetry` (see `tell`) and `consoles` (by node id, how many
seconds ago somebody typed there). docs/sandbox.md has examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.faults import Misbehaviour
from cmlmanager.sandbox.cml.licence import PRODUCTS, naive
from cmlmanager.sandbox.cml.pace import now
from cmlmanager.sandbox.cml.seed import add_lab
from cmlmanager.sandbox.cml.server import TOKEN_SECONDS, SimulatedServer
from cmlmanager.sandbox.cml.supervisor import Supervisor
from cmlmanager.sandbox.cml.telemetry import CATEGORIES
from cmlmanager.sandbox.fleet import DemoLab

LAB_STATES = ("DEFINED_ON_CORE", "STOPPED", "STARTED")


def control_app(supervisor: Supervisor) -> Starlette:
    """The ASGI application of the control listener."""

    async def list_servers(request: Request) -> Response:
        return JSONResponse([server.report() for server in supervisor.servers.values()])

    async def change_server(request: Request) -> Response:
        server = supervisor.servers.get(request.path_params["instance_id"])
        if server is None:
            return JSONResponse({"error": "no such server runs"}, 404)
        try:
            body = json.loads(await request.body())
            if not isinstance(body, dict):
                return JSONResponse({"error": "the body is a JSON object"}, 400)
            change(server, body)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            return JSONResponse({"error": str(error)}, 400)
        await supervisor.follow()
        return JSONResponse(server.report())

    return Starlette(
        routes=[
            Route("/servers", list_servers),
            Route("/servers/{instance_id}", change_server, methods=["POST"]),
        ]
    )


def change(server: SimulatedServer, body: dict[str, Any]) -> None:
    """Apply one control request. Raises ValueError or TypeError for what it does not understand."""
    labs = {name: body.pop(name) for name in ("add_labs", "remove_labs", "lab_states") if name in body}
    switches = {name: body.pop(name) for name in _SWITCHES if name in body}
    misbehaviour = Misbehaviour.read(body) if body else None
    for name, value in switches.items():
        _SWITCHES[name](server, value)
    if labs:
        _change_labs(server, **labs)
        server.save()
    if misbehaviour is not None:
        server.set_misbehaviour(misbehaviour)


_FACTS = {
    "registration_status": "registration",
    "authorization_status": "authorization",
    "registration_expires": "registration_expires",
    "authorization_expires": "authorization_expires",
    "smart_account": "smart_account",
    "virtual_account": "virtual_account",
    "node_count": "node_count",
    "product": "product",
}


def change_licensing(server: SimulatedServer, body: dict[str, Any]) -> None:
    """Take on a manner (see `faults.LicensingManner`), or change facts of the licence.

    An expiry is given in days from now, or as CML writes it; setting a status ends what is on its way. Raises ValueError or TypeError.
    """
    if body.get("product", "CML_Enterprise") not in PRODUCTS:
        raise ValueError(f"product is one of {', '.join(PRODUCTS)}")
    manner = {name: body.pop(name) for name in ("registration", "renewal", "deregistration") if name in body}
    if unknown := set(body) - set(_FACTS):
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if manner:
        server.licensing = replace(server.licensing, **manner)
    licence = server.licence()
    for name, value in body.items():
        days = name.endswith("_expires") and isinstance(value, int | float)
        setattr(licence, _FACTS[name], naive(now() + value * 86400) if days else value)
        if name.endswith("_status"):
            licence.agenda = []
    server.save()


def _change_labs(
    server: SimulatedServer,
    *,
    add_labs: list[dict[str, Any]] | None = None,
    remove_labs: list[str] | None = None,
    lab_states: dict[str, str] | None = None,
) -> None:
    known = server.state.labs
    added = [DemoLab(**lab) for lab in add_labs or []]
    for lab_id, state in (lab_states or {}).items():
        if lab_id not in known or state not in LAB_STATES:
            raise ValueError(f"no lab {lab_id!r}, or no state {state!r}")
        known[lab_id].set_state(state)
    for lab_id in remove_labs or []:
        known.pop(lab_id, None)
    for lab in added:
        add_lab(server.state, lab)


def tell(server: SimulatedServer, events: list[dict[str, Any]]) -> None:
    """Add to the telemetry what was done: `category`, `ago` (seconds, 0), `user` (a name) and any other data."""
    for event in events:
        category, ago, name = event.pop("category"), event.pop("ago", 0), event.pop("user", None)
        user = server.state.user(username=name) if name else None
        if category not in CATEGORIES or (name and user is None):
            raise ValueError(f"no category {category!r}, or no user {name!r}")
        who = {"user_id": user.id} if user else {}
        server.state.tell(category, now() - ago, **who, **event)
    server.save()


def look_at_consoles(server: SimulatedServer, seconds_ago: dict[str, float]) -> None:
    """Who types on which console, as `/diagnostics/dispatcher` tells since 2.10."""
    for node_id, ago in seconds_ago.items():
        server.consoles[node_id] = now() - ago


def _set_certificate(server: SimulatedServer, which: str) -> None:
    if which != "new":
        raise ValueError(f"certificate is 'new', not {which!r}")
    server.new_certificate()


def _set_token_seconds(server: SimulatedServer, seconds: int) -> None:
    if not isinstance(seconds, int) or not 0 <= seconds <= TOKEN_SECONDS:
        raise ValueError(f"token_seconds is 0 to {TOKEN_SECONDS}")
    server.token_seconds = seconds


_SWITCHES: dict[str, Callable[[SimulatedServer, Any], None]] = {
    "fault": SimulatedServer.set_fault,
    "licensing": change_licensing,
    "certificate": _set_certificate,
    "token_seconds": _set_token_seconds,
    "telemetry": tell,
    "consoles": look_at_consoles,
}
