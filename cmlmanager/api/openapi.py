"""The schema: what django-ninja derives from the operations, and what the gate around them adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cmlmanager.api import idempotency, stream
from cmlmanager.api.problems import CONTENT_TYPE, KINDS

Schema = dict[str, Any]

TAGS = {
    "You": "Whom the portal takes you for.",
    "Workers": "The fleet: EC2 instances that run CML.",
    "Worker actions": "What changes a worker. Each answers at once with an operation, which says how it goes.",
    "Operations": "What was asked for, its steps, and what came of it.",
    "Live": "Events as they happen.",
}
# Statuses that any operation may answer with, and those of operations that change something.
_ALWAYS = (400, 401, 403, 422, 429, 500, 503)
_WHEN_CHANGING = (409, 411, 413, 415)

_SCHEMAS = "#/components/schemas/"

_PROBLEM: Schema = {
    "title": "Problem",
    "description": "Problem details, RFC 9457. `type` leads to an explanation; `code` is its last part, for programs.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/api/docs#problem-refused"]},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "A sentence about this occurrence: what happened and what to do."},
        "code": {"type": "string", "enum": sorted(KINDS)},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
        "operation": {"type": "string", "format": "uri-reference", "description": "The operation that stands in the way."},
        "reason": {"type": "string", "description": "Why a refresh was refused, for programs."},
        "worker": {"type": "string", "format": "uuid", "description": "The worker that a proposal has become already."},
        "retry_after": {"type": "integer", "minimum": 0, "description": "Seconds after which it can be asked again."},
    },
}
_FIELD_ERROR: Schema = {
    "title": "FieldError",
    "description": "What is wrong with one value.",
    "type": "object",
    "required": ["place", "pointer", "detail"],
    "properties": {
        "place": {"type": "string", "enum": ["body", "query", "path", "header"]},
        "pointer": {"type": "string", "description": "JSON pointer (RFC 6901) within that place.", "examples": ["/tags/0/key"]},
        "detail": {"type": "string"},
    },
}
_WHOLE = {"type": "integer", "minimum": 0}
_HEADERS: Schema = {
    "ETag": {"description": "Send it back as If-None-Match.", "schema": {"type": "string"}},
    "Link": {"description": "RFC 8288: first, prev, next and last page.", "schema": {"type": "string"}},
    "Location": {"description": "Where the operation can be read.", "schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": _WHOLE},
    "RateLimit-Limit": {"description": "Requests a minute.", "schema": _WHOLE},
    "RateLimit-Remaining": {"description": "Those left of this minute.", "schema": _WHOLE},
    "RateLimit-Reset": {"description": "Seconds until the next minute.", "schema": _WHOLE},
    "WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "true: the answer to the first request with this key.",
        "schema": {"type": "string"},
    },
}
_LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_PARAMETERS: Schema = {
    "IdempotencyKey": {
        "in": "header",
        "name": idempotency.HEADER,
        "required": False,
        "description": "A key of your own, best a UUID. The same request with the same key is done once, however often it is sent.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!#-~]{1,255}$"},
    },
    "IfNoneMatch": {
        "in": "header",
        "name": "If-None-Match",
        "required": False,
        "description": "The ETag of what you have; 304 when nothing has changed since.",
        "schema": {"type": "string"},
    },
}
_SECURITY: Schema = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal token (`cmlm_…`, made on the page of your account), or an access token of Keycloak.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "cmlmanager_session",
        "description": "Somebody who is signed in. What changes something needs the page’s CSRF token too, as X-CSRFToken.",
    },
}


def complete(schema: Schema) -> Schema:
    """`schema` with security, problems, headers and what else is the same for all operations. Changes it in place."""
    for methods in schema["paths"].values():
        for method, operation in methods.items():
            _complete_operation(method, operation)
    stream.add_stream(schema)
    components = schema["components"]
    components["schemas"] |= {"Problem": _PROBLEM, "FieldError": _FIELD_ERROR}
    components["schemas"] = _in_use(schema)
    statuses = sorted({kind.status for kind in KINDS.values()})
    components["responses"] = {_response_name(status): _problem_response(status) for status in statuses}
    components["responses"]["NotModified"] = {"description": "Nothing has changed.", "headers": _headers("ETag", *_LIMITS)}
    components["headers"], components["parameters"], components["securitySchemes"] = _HEADERS, _PARAMETERS, _SECURITY
    schema["security"] = [{"bearer": []}, {"session": []}]
    schema["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    return schema


def _referenced(value: Any) -> Iterator[str]:
    """The names of the schemas that `value` refers to."""
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(_SCHEMAS):
            yield reference.removeprefix(_SCHEMAS)
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _referenced(inner)


def _in_use(schema: Schema) -> Schema:
    """The schemas that operations need: django-ninja keeps those of queries too, which are spelt out as parameters."""
    known = schema["components"]["schemas"]
    wanted = {"Problem"} | set(_referenced(schema["paths"]))
    found: Schema = {}
    while wanted - found.keys():
        for name in wanted - found.keys():
            found[name] = known[name]
            wanted |= set(_referenced(known[name]))
    return dict(sorted(found.items()))


def _complete_operation(method: str, operation: Schema) -> None:
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        # Pydantic's list of examples is a schema's; a parameter's would be a map.
        parameter.pop("examples", None)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    given = [one for one in body.get("schema", {}).get("anyOf", []) if one != {"type": "null"}]
    if len(given) == 1:
        body["schema"] = given[0]  # left out, it is none; null it cannot be
    answers = {str(status): answer for status, answer in operation["responses"].items()}
    statuses = list(_ALWAYS) + ([404] if any(one["in"] == "path" for one in parameters) else [])
    if method == "get":
        parameters.append({"$ref": "#/components/parameters/IfNoneMatch"})
        answers.setdefault("304", {"$ref": "#/components/responses/NotModified"})
    else:
        statuses += _WHEN_CHANGING
    if method == "post":
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    for name, answer in answers.items():
        if "$ref" not in answer:
            answer.setdefault("headers", {}).update(_headers(*_LIMITS, *_headers_of(method, name, operation)))
    for status in statuses:
        answers.setdefault(str(status), {"$ref": f"#/components/responses/{_response_name(status)}"})
    operation["responses"] = dict(sorted(answers.items()))


def _headers_of(method: str, status: str, operation: Schema) -> list[str]:
    if method == "get":
        paged = any(parameter.get("name") == "page" for parameter in operation["parameters"])
        return ["ETag", "Link"] if paged else ["ETag"]
    return (["Location"] if status in {"201", "202"} else []) + (["Idempotency-Replayed"] if method == "post" else [])


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _response_name(status: int) -> str:
    return f"Problem{status}"


def _problem_response(status: int) -> Schema:
    kinds = {code: kind for code, kind in KINDS.items() if kind.status == status}
    names = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, [])
    examples = {
        code: {
            "summary": kind.title,
            "value": {
                "type": f"/api/docs#problem-{code}",
                "title": kind.title,
                "status": kind.status,
                "detail": kind.advice,
                "code": code,
            },
        }
        for code, kind in kinds.items()
    }
    return {
        "description": " ".join(f"{kind.title} (`{code}`). {kind.advice}" for code, kind in kinds.items()),
        "headers": _headers(*names),
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    }
