"""The licence read and changed. Cisco CML 2.9 API, "Licensing"; reservations are not simulated."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import administrator, server_of, strict
from cmlmanager.sandbox.cml.bodies import Fields, Items, Nullable, Text, Whole, flag
from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.faults import busy_with
from cmlmanager.sandbox.cml.licence import BASE_FEATURE, MOST_NODES, NODE_FEATURE, SSMS, Licence
from cmlmanager.sandbox.cml.pace import now

_URL = r"https?://((\d{1,3}.){3}\d{1,3}|\[[\da-fA-F:]{3,39}(%[\da-z-]{1,15})?\]|[a-zA-Z\d.-]{1,64})(:\d{1,5})?(/[\w.-]+)+"
_REGISTRATION = Fields(
    {"token": Text(least=1, most=256, pattern=r"[a-zA-Z\d+/%=-]{1,256}"), "reregister": flag}, required=("token",)
)
_PROXY = Fields(
    {"server": Nullable(Text(least=1, pattern=r"[\w.:%\[\]-]{1,256}")), "port": Nullable(Whole(least=1, most=65535))},
    required=("server", "port"),
)
_TRANSPORT = Fields({"ssms": Nullable(Text(least=1, pattern=_URL)), "proxy": _PROXY}, required=("proxy",))
_COUNTS = Items(
    of=Fields({"id": Text(least=1, most=128, pattern=r"[a-zA-Z\d._,-]{1,128}"), "count": Whole()}, required=("id", "count")),
    least=1,
    most=2,
)
_PRODUCT = Text(least=1, most=20, pattern=r"\w{1,20}")


@administrator
async def status(request: Request) -> Response:
    """Registration, authorization and entitlements; times are naive."""
    server = server_of(request)
    licence = server.licence()
    registered = licence.registered or licence.registration == "EXPIRED"
    return JSONResponse(
        {
            "registration": {
                "status": licence.registration,
                "smart_account": licence.smart_account if registered else None,
                "virtual_account": licence.virtual_account if registered else None,
                "expires": licence.registration_expires,
                "register_time": licence.register_time,
                "renew_time": licence.renew_time,
            },
            "authorization": {
                "status": licence.authorization,
                "expires": licence.authorization_expires,
                "renew_time": licence.authorization_time,
            },
            "features": features_of(licence, running_nodes=server.state.running_nodes()),
            "reservation_mode": False,
            "transport": {
                "default_ssms": SSMS,
                "ssms": licence.ssms,
                "proxy": {"server": licence.proxy_server, "port": licence.proxy_port},
            },
            "udi": {"hostname": server.state.hostname, "product_uuid": server.state.product_uuid},
            "product_license": {"active": licence.product, "is_enterprise": is_enterprise(licence)},
        }
    )


def is_enterprise(licence: Licence) -> bool:
    """Whether the product has the features of an enterprise licence."""
    return licence.product in ("CML_Enterprise", "CML_Education")


def features_of(licence: Licence, *, running_nodes: int) -> list[dict[str, Any]]:
    """The entitlements, none while not registered. A feature's status is the authorization's, but for the one that runs over."""
    if not licence.registered:
        return []
    waiting = {"PENDING": "WAITING", "INIT": "WAITING"}
    status = waiting.get(licence.authorization, licence.authorization)
    shared = {"status": status, "version": "1.0", "min": 0, "minEndDate": None, "maxEndDate": None}
    base = {
        "id": BASE_FEATURE,
        "name": "CML - Enterprise License",
        "description": "Cisco Modeling Labs - Enterprise License with 20 nodes capacity included",
        "in_use": 1,
        "max": 1,
        **shared,
    }
    nodes = {
        "id": NODE_FEATURE,
        "name": "CML - Expansion Nodes",
        "description": "Cisco Modeling Labs - Expansion node capacity for CML Enterprise Servers",
        "in_use": max(licence.node_count, running_nodes),
        "max": MOST_NODES,
        **shared,
    }
    return [base, nodes] if is_enterprise(licence) else [{**base, "name": licence.product.replace("_", " - ")}]


@administrator
async def features(request: Request) -> Response:
    """The entitlements alone."""
    server = server_of(request)
    return JSONResponse(features_of(server.licence(), running_nodes=server.state.running_nodes()))


@administrator
async def set_features(request: Request) -> Response:
    """Asks for so many nodes."""
    counts = await strict(request, _COUNTS)
    server = server_of(request)
    server.licence().set_counts(counts)
    return _kept(request)


@administrator
async def set_product(request: Request) -> Response:
    """The body is a JSON string."""
    product = await strict(request, _PRODUCT)
    server_of(request).licence().set_product(product)
    return _kept(request)


@administrator
async def set_transport(request: Request) -> Response:
    """Where licences come from."""
    body = await strict(request, _TRANSPORT)
    licence = server_of(request).licence()
    licence.ssms = body.get("ssms", SSMS)
    licence.proxy_server, licence.proxy_port = body["proxy"]["server"], body["proxy"]["port"]
    return _kept(request)


@administrator
async def register(request: Request) -> Response:
    """Accepted with 204; what becomes of it is read from the status."""
    body = await strict(request, _REGISTRATION)
    server = server_of(request)
    manner = busy_with(server.licensing.registration)
    server.licence().register(
        token=body["token"], reregister=body.get("reregister", False), manner=manner, now=now(), pace=server.pace
    )
    return _kept(request)


@administrator
async def renew_registration(request: Request) -> Response:
    """Accepted with 204."""
    server = server_of(request)
    server.licence().renew_registration(manner=busy_with(server.licensing.renewal), now=now(), pace=server.pace)
    return _kept(request)


@administrator
async def renew_authorization(request: Request) -> Response:
    """Accepted with 204."""
    server = server_of(request)
    server.licence().renew_authorization(manner=busy_with(server.licensing.renewal), now=now(), pace=server.pace)
    return _kept(request)


@administrator
async def deregister(request: Request) -> Response:
    """204 when Cisco has the seat back, 202 when this server only believes so."""
    server = server_of(request)
    manner = busy_with(server.licensing.deregistration)
    server.licence().deregister(running_nodes=server.state.active_nodes())
    _kept(request)
    return Response(status_code=202 if manner == "202" else 204)


@administrator
async def tech_support(request: Request) -> Response:
    """A few lines of text, as a JSON string."""
    licence = server_of(request).licence()
    return JSONResponse(
        f"Smart Licensing Status\n\nRegistration: {licence.registration}\nAuthorization: {licence.authorization}\n"
    )


@administrator
async def no_reservation(request: Request) -> Response:
    """Reservations are not simulated; CML refuses them where the account does not allow them."""
    raise ApiError(400, "Licensing issue: Reservation mode is not enabled.")


def _kept(request: Request) -> Response:
    server_of(request).save()
    return Response(status_code=204)


routes = [
    Route("/licensing", status),
    Route("/licensing/features", features),
    Route("/licensing/features", set_features, methods=["PATCH"]),
    Route("/licensing/product_license", set_product, methods=["PUT"]),
    Route("/licensing/transport", set_transport, methods=["PUT"]),
    Route("/licensing/registration", register, methods=["POST"]),
    Route("/licensing/registration/renew", renew_registration, methods=["PUT"]),
    Route("/licensing/authorization/renew", renew_authorization, methods=["PUT"]),
    Route("/licensing/deregistration", deregister, methods=["DELETE"]),
    Route("/licensing/tech_support", tech_support),
    Route("/licensing/reservation/{action}", no_reservation, methods=["GET", "PUT", "POST", "DELETE"]),
]
