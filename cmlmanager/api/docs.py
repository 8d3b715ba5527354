"""The API's documentation as a page of the portal, made on the server from the schema: it works offline and under the page's CSP."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cmlmanager.api.portal import schema
from cmlmanager.api.problems import KINDS

Schema = dict[str, Any]
_DEPTH = 6  # of examples


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Every operation with its parameters, bodies, answers and an example for curl."""
    origin = f"{request.scheme}://{request.get_host()}"
    context = {"groups": _groups(), "problems": KINDS, "origin": origin, "version": schema()["info"]["version"]}
    return render(request, "api/docs.html", context)


@cache
def _groups() -> list[dict[str, Any]]:
    """Tag by tag, its operations."""
    found = schema()
    groups = [{"name": tag["name"], "description": tag["description"], "operations": []} for tag in found["tags"]]
    by_name = {group["name"]: group["operations"] for group in groups}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            by_name[operation["tags"][0]].append(_operation(path, method, operation))
    return [group for group in groups if group["operations"]]


def _operation(path: str, method: str, operation: Schema) -> dict[str, Any]:
    parameters = [resolved(one) for one in operation["parameters"]]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    sample = example(body) if body else None
    answers = [
        {"status": status, "description": answer.get("description", ""), "example": _answer_example(answer)}
        for status, answer in ((status, resolved(answer)) for status, answer in operation["responses"].items())
    ]
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"],
        "parameters": [
            _row(one["name"], one["schema"], one.get("description", ""), one["required"], one["in"]) for one in parameters
        ],
        "members": _members(body) if body else [],
        "good": [answer for answer in answers if answer["status"] < "300"],
        "others": [answer["status"] for answer in answers if answer["status"] >= "300"],
        "curl": _curl(method.upper(), path, sample),
        "words": f"{operation['operationId']} {path} {method} {operation['summary']} {operation['description']}".lower(),
    }


def resolved(value: Schema) -> Schema:
    """What a reference leads to, or the thing itself."""
    while "$ref" in value:
        found: Any = schema()
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def _members(value: Schema) -> list[dict[str, Any]]:
    """The members of a body, those of objects in it too, with a dotted name."""
    found = []
    whole = resolved(value)
    for name, one in whole.get("properties", {}).items():
        inner = _inner(one)
        found.append(_row(name, one, one.get("description", ""), name in whole.get("required", ()), "body"))
        if "properties" in inner:
            found += [row | {"name": f"{name}.{row['name']}"} for row in _members(inner)]
    return found


def _inner(value: Schema) -> Schema:
    """The schema behind a reference, or behind "or null"."""
    value = resolved(value)
    given = [resolved(one) for key in ("anyOf", "allOf") for one in value.get(key, []) if one.get("type") != "null"]
    return given[0] if len(given) == 1 else value


def _row(name: str, value: Schema, description: str, required: bool, place: str) -> dict[str, Any]:
    inner = _inner(value)
    items = _inner(inner["items"]) if "items" in inner else {}
    choices = inner.get("enum") or items.get("enum") or []
    default = value.get("default")
    return {
        "name": name,
        "type": _type(inner),
        "description": description or inner.get("description", ""),
        "required": required,
        "place": place,
        "choices": choices,
        "default": json.dumps(default) if default not in (None, "", [], {}, False) else "",
    }


def _type(value: Schema) -> str:
    kind = value.get("type", "any")
    if isinstance(kind, list):
        kind = next(one for one in kind if one != "null")
    if kind == "array":
        return f"list of {_type(_inner(value.get('items', {})))}"
    return str(value.get("format") or kind)


_SAMPLES = {
    "uuid": "6f0d3c1e-5f0a-4f6e-9a41-3c7d2b8e1a01",
    "date-time": "2026-11-23T12:00:00Z",
    "uri-reference": "/api/…",
}


def example(value: Schema, depth: int = 0) -> Any:
    """A value that fits, from the schema's own examples where it has any."""
    whole = resolved(value)
    for found in (value, whole):
        given = found.get("examples") or found.get("enum") or ([found["const"]] if "const" in found else [])
        if given:
            return given[0]
    several = next((whole[key] for key in ("anyOf", "allOf", "oneOf") if key in whole), None)
    if several:
        return example(several[0], depth)
    return whole["default"] if whole.get("default") else _made_up(whole, depth)


def _made_up(value: Schema, depth: int) -> Any:
    kind = value.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example(one, depth + 1) for name, one in value.get("properties", {}).items()} if depth < _DEPTH else {}
    if kind == "array":
        return [example(value["items"], depth + 1)] if depth < _DEPTH else []
    if kind == "string":
        return _SAMPLES.get(value.get("format", ""), "")
    return {"integer": value.get("minimum", 1), "number": 42.0, "boolean": False}.get(str(kind))


def _answer_example(answer: Schema) -> str:
    for kind, content in answer.get("content", {}).items():
        if kind == "application/json":
            return json.dumps(example(content["schema"]), indent=2, ensure_ascii=False)
        if kind == "text/event-stream":
            return "event: worker.status.updated\nid: 5b0e6f1c9a7d4e23-1795435201456-0\ndata: {…}"
    return ""


def _curl(method: str, path: str, body: Any) -> dict[str, Any]:
    query = "?" + urlencode({"events": "1"}) if path.endswith("/stream") else ""
    return {
        "method": "" if method == "GET" else method,
        "path": path.replace("{", "").replace("}", "").replace("worker_id", "$WORKER").replace("operation_id", "$OPERATION")
        + query,
        "body": json.dumps(body, ensure_ascii=False) if body is not None else "",
        "repeatable": method == "POST",
        "streams": path.endswith("/stream"),
    }
