"""Labs as documents. Cisco CML 2.9 API: topology, download, import."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cmlmanager.sandbox.cml.answering import authorized, body_of, caller, flag, server_of
from cmlmanager.sandbox.cml.bodies import Text
from cmlmanager.sandbox.cml.documents import read_document, topology_answer, yaml_document
from cmlmanager.sandbox.cml.errors import ApiError
from cmlmanager.sandbox.cml.finding import lab_of


@authorized
async def topology(request: Request) -> Response:
    """The topology as JSON."""
    lab = lab_of(request)
    excluded = flag(request, "exclude_configurations")
    return JSONResponse(topology_answer(server_of(request).state, lab, configurations=not excluded))


@authorized
async def download(request: Request) -> Response:
    """The topology as YAML, with configurations: text, whatever the API's description says."""
    lab, server = lab_of(request), server_of(request)
    server.tell("export_lab", lab_id=lab.id, user_id=caller(request).id)
    return Response(yaml_document(server.state, lab), media_type="application/x-yaml")


@authorized
async def import_lab(request: Request) -> Response:
    """A new lab of a document in the body, YAML or JSON."""
    title = request.query_params.get("title")
    if title is not None:
        Text(least=1, most=64)(title, ["query", "title"])
    server, user = server_of(request), caller(request)
    imported = read_document(server.state, await body_of(request), owner=user.id, title=title)
    server.state.labs[imported.lab.id] = imported.lab
    server.tell("import_lab", lab_id=imported.lab.id, user_id=user.id)
    server.save()
    return JSONResponse({"id": imported.lab.id, "warnings": imported.warnings or None})


@authorized
async def import_virl(request: Request) -> Response:
    """The format of VIRL 1.x is not simulated."""
    raise ApiError(400, "The topology is not a valid VIRL 1.x topology.")


routes = [
    Route("/labs/{lab_id}/topology", topology),
    Route("/labs/{lab_id}/download", download),
    Route("/import", import_lab, methods=["POST"]),
    Route("/import/virl-1x", import_virl, methods=["POST"]),
]
