"""Links and interfaces. Cisco CML 2.9 API, "Links" and "Interfaces"; packet capture is not simulated."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import authorized, flag, server_of, strict
from cmlmanager.sandbox.cml.bodies import Fields, Kind, Nullable, Text, Whole, number, uuid4
from cmlmanager.sandbox.cml.bodies import flag as boolean
from cmlmanager.sandbox.cml.describing import interface_answer, link_answer
from cmlmanager.sandbox.cml.elements import Lab, Link, cml_time
from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.finding import interface_of, lab_of, link_of

_LINK = Fields({"src_int": uuid4, "dst_int": uuid4}, required=("src_int", "dst_int"))
_INTERFACE = Fields({"node": uuid4, "slot": Whole(most=128), "mac_address": Nullable(Text(most=32))}, required=("node",))
_MAC = Fields({"mac_address": Nullable(Text(most=32))})
_PERCENTAGES = (
    "loss loss_corr delay_corr duplicate duplicate_corr reorder_prob reorder_corr corrupt_prob corrupt_corr bandwidth "
    "latency jitter limit gap"
)
_WHAT: dict[str, Kind] = {**dict.fromkeys(_PERCENTAGES.split(), number), "enabled": boolean}
_CONDITION = Fields(_WHAT)


@authorized
async def links(request: Request) -> Response:
    """Ids, or with `data` the links themselves."""
    lab = lab_of(request)
    if not flag(request, "data"):
        return JSONResponse([link.id for link in lab.links])
    by_id = {node.id: node for node in lab.nodes}
    return JSONResponse([link_answer(lab, link, by_id) for link in lab.links])


@authorized
async def create_link(request: Request) -> Response:
    """Between two interfaces that have none."""
    lab = lab_of(request, "lab_edit")
    body = await strict(request, _LINK)
    ends = []
    for name in ("src_int", "dst_int"):
        found = lab.interface(body[name])
        if found is None:
            raise ApiError(404, f"Interface not found: {body[name]}")
        if lab.link_of(body[name]):
            raise ApiError(400, f"Interface {body[name]} is already connected.")
        ends.append(found)
    (a, one), (b, other) = ends
    if a is b:
        raise ApiError(400, "A link connects two different nodes.")
    label = f"{a.label}-{one.label}<->{b.label}-{other.label}"
    link = Link(node_a=a.id, node_b=b.id, interface_a=one.id, interface_b=other.id, label=label)
    lab.links.append(link)
    _touched(request, lab, "LINK", link.id, "ADD")
    return JSONResponse(link_answer(lab, link, {node.id: node for node in lab.nodes}))


def _touched(request: Request, lab: Lab, kind: str, element: str, event: str) -> None:
    lab.modified = cml_time()
    lab.tell(event, kind, element, at=time.time())
    server_of(request).save()


@authorized
async def link_details(request: Request) -> Response:
    """One link."""
    lab, link = link_of(request)
    return JSONResponse(link_answer(lab, link, {node.id: node for node in lab.nodes}))


@authorized
async def remove_link(request: Request) -> Response:
    """Gone at once."""
    lab, link = link_of(request, "lab_edit")
    lab.links.remove(link)
    _touched(request, lab, "LINK", link.id, "REMOVE")
    return Response(status_code=204)


@authorized
async def switch_link(request: Request) -> Response:
    """Up or down by hand."""
    lab, link = link_of(request, "lab_exec")
    link.held = request.path_params["action"] == "stop"
    _touched(request, lab, "LINK", link.id, "STATE_CHANGED")
    return Response(status_code=204)


@authorized
async def link_converged(request: Request) -> Response:
    """Links follow their nodes at once."""
    lab, link = link_of(request)
    return JSONResponse(not any(node.agenda for node in lab.nodes if node.id in (link.node_a, link.node_b)))


@authorized
async def condition(request: Request) -> Response:
    """What makes a link slow or lossy: read, changed or removed."""
    changes = request.method != "GET"
    lab, link = link_of(request, "lab_exec" if changes else "lab_view")
    if request.method == "DELETE":
        link.conditioning = {}
    elif changes:
        link.conditioning = {"enabled": True, **link.conditioning, **await strict(request, _CONDITION)}
    if changes:
        _touched(request, lab, "LINK", link.id, "CHANGE")
    return Response(status_code=204) if request.method == "DELETE" else JSONResponse(link.conditioning)


@authorized
async def interfaces(request: Request) -> Response:
    """All interfaces of a lab, with what they run with."""
    lab = lab_of(request)
    return JSONResponse([interface_answer(lab, node, one, operational=True) for node in lab.nodes for one in node.interfaces])


@authorized
async def create_interface(request: Request) -> Response:
    """The next free one; with `slot` every missing one up to it."""
    lab = lab_of(request, "lab_edit")
    body = await strict(request, _INTERFACE)
    node = lab.node(body["node"])
    if node is None:
        raise ApiError(404, f"Node not found: {body['node']}")
    taken = {one.slot for one in node.interfaces}
    slots = [None] if "slot" not in body else [slot for slot in range(body["slot"] + 1) if slot not in taken]
    try:
        made = [node.new_interface(slot=slot) for slot in slots]
    except ValueError as error:
        raise ApiError(400, f"Cannot create the interface: {error}.") from None
    if made:
        made[-1].mac_address = body.get("mac_address")
    _touched(request, lab, "NODE", node.id, "CHANGE")
    answers = [interface_answer(lab, node, one) for one in made]
    return JSONResponse(answers[0] if len(answers) == 1 else answers)


@authorized
async def interface_details(request: Request) -> Response:
    """One interface."""
    lab, node, one = interface_of(request)
    return JSONResponse(interface_answer(lab, node, one, operational=flag(request, "operational")))


@authorized
async def change_interface(request: Request) -> Response:
    """Its hardware address."""
    lab, node, one = interface_of(request, "lab_edit")
    one.mac_address = (await strict(request, _MAC)).get("mac_address")
    _touched(request, lab, "INTERFACE", one.id, "CHANGE")
    return JSONResponse(interface_answer(lab, node, one))


@authorized
async def remove_interface(request: Request) -> Response:
    """With its link."""
    lab, node, one = interface_of(request, "lab_edit")
    lab.links = [link for link in lab.links if one.id not in (link.interface_a, link.interface_b)]
    node.interfaces.remove(one)
    _touched(request, lab, "INTERFACE", one.id, "REMOVE")
    return Response(status_code=204)


@authorized
async def interface_state(request: Request) -> Response:
    """The state and the word for it."""
    lab, node, one = interface_of(request)
    return JSONResponse({"state": lab.interface_state(node, one), "label": one.label})


@authorized
async def switch_interface(request: Request) -> Response:
    """Up or down by hand."""
    lab, _, one = interface_of(request, "lab_exec")
    one.held = request.path_params["action"] == "stop"
    _touched(request, lab, "INTERFACE", one.id, "STATE_CHANGED")
    return Response(status_code=204)


_ONE_LINK, _PORT = "/labs/{lab_id}/links/{link_id}", "/labs/{lab_id}/interfaces/{interface_id}"
routes = [
    Route("/labs/{lab_id}/links", links),
    Route("/labs/{lab_id}/links", create_link, methods=["POST"]),
    Route(_ONE_LINK, link_details),
    Route(_ONE_LINK, remove_link, methods=["DELETE"]),
    Route(f"{_ONE_LINK}/state/{{action:str}}", switch_link, methods=["PUT"]),
    Route(f"{_ONE_LINK}/check_if_converged", link_converged),
    Route(f"{_ONE_LINK}/condition", condition, methods=["GET", "PATCH", "DELETE"]),
    Route("/labs/{lab_id}/interfaces", interfaces),
    Route("/labs/{lab_id}/interfaces", create_interface, methods=["POST"]),
    Route(_PORT, interface_details),
    Route(_PORT, change_interface, methods=["PATCH"]),
    Route(_PORT, remove_interface, methods=["DELETE"]),
    Route(f"{_PORT}/state", interface_state),
    Route(f"{_PORT}/state/{{action:str}}", switch_interface, methods=["PUT"]),
]
