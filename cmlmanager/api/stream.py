"""The live stream in the schema: it is served beside Django (cmlmanager.asgi). What an event of each type holds, as docs/events.md tells it."""

from __future__ import annotations

from typing import Any

from cmlmanager.live.facts import REASONS, RESET
from labs import events as labs
from workers.alert_choices import AlertChange
from workers.choices import ActorKind, OperationKind
from workers.events import facts

Schema = dict[str, Any]

_REFUSALS = {
    400: "Odd channels.",
    401: "Nobody is signed in.",
    403: "You may not listen to these channels.",
    405: "Ask for the stream with GET.",
    429: "Too many streams of this session.",
    503: "Permissions or events cannot be read at the moment.",
}
_TEXT: Schema = {"type": "string"}
_ID: Schema = {"type": "string", "format": "uuid"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_MAYBE_ID: Schema = {"type": ["string", "null"], "format": "uuid"}


def _object(**members: Schema) -> Schema:
    return {"type": "object", "required": list(members), "properties": members}


def _changes(*names: str) -> Schema:
    change = {"type": "object", "required": ["old", "new"], "properties": {"old": {}, "new": {}}}
    return {"type": "object", "properties": dict.fromkeys(names, change), "additionalProperties": False}


_BY = _object(kind={"type": "string", "enum": list(ActorKind.values)}, name=_TEXT)
_WORKER = _object(id=_ID, name=_TEXT, region=_TEXT, instance_id=_TEXT)
_NAMED = _object(id=_ID, name=_TEXT)
_MAYBE_NAMED: Schema = {"anyOf": [_NAMED, {"type": "null"}]}
_LAB = _object(id=_ID, title=_TEXT, cml_id=_TEXT)
_OPERATION = _object(id=_ID, kind={"type": "string", "enum": list(OperationKind.values)}, reason=_TEXT, batch=_MAYBE_ID)
_STEP = _object(name=_TEXT, label=_TEXT, detail=_TEXT)
_NUMBER: Schema = {"type": ["number", "null"]}
_ALERT = _object(id=_ID, kind=_TEXT, severity=_TEXT, sentence=_TEXT, note=_TEXT, value=_NUMBER, since=_TIME)
_OF_ALERT = _object(id=_MAYBE_ID, name=_TEXT, region=_TEXT)
_OF_LAB = _object(id=_MAYBE_ID, name=_TEXT)


def events() -> dict[str, Schema]:
    """Type of event → the schema of its payload."""
    born = {"worker": _WORKER, "by": _BY, "machine_state": _TEXT, "instance_type": _TEXT, "ami_id": _TEXT}
    found: dict[str, Schema] = dict.fromkeys((facts.CREATED, facts.IMPORTED, facts.DELETED), born)
    found |= {kind: {"worker": _WORKER, "by": _BY, "changes": _changes(*names)} for kind, names in facts.FIELDS.items()}
    seat = {"worker": _WORKER, "by": _BY, "reason": _TEXT, "detail": _TEXT}
    found |= {
        facts.SEAT_DOUBTED: seat,
        facts.SEAT_SETTLED: seat,
        facts.TERMINATED: {"worker": _WORKER, "by": _BY, "reason": _TEXT},
    }
    asked = {"worker": _MAYBE_NAMED, "subject": _MAYBE_NAMED, "operation": _OPERATION, "by": _BY, "changes": _changes("state")}
    found |= {f"worker.operation.{name}": asked for name in ("requested", "started")}
    found["worker.operation.progressed"] = asked | {"step": _STEP}
    found |= {f"worker.operation.{name}": asked | {"sentence": _TEXT} for name in ("succeeded", "refused", "failed")}
    alert = {"alert": _ALERT, "worker": _OF_ALERT, "by": _BY, "changes": _changes("state", "severity")}
    found |= {f"alert.{change.value}": alert for change in AlertChange}
    lab = {"lab": _LAB, "worker": _OF_LAB}
    there = lab | {"state": _TEXT, "node_count": {"type": ["integer", "null"]}}
    found |= dict.fromkeys((labs.CREATED, labs.REMOVED, labs.RETURNED), there)
    found[labs.STATE_UPDATED] = lab | {"changes": _changes(*labs.STATE_FIELDS)}
    found[labs.UPDATED] = lab | {"changes": _changes(*labs.FIGURES), "also": {"type": "array", "items": _TEXT}}
    schemas = {kind: _object(uid=_TEXT, type={"const": kind}, at=_TIME, **members) for kind, members in found.items()}
    schemas[RESET] = _object(type={"const": RESET}, at=_TIME, reason={"type": "string", "enum": sorted(REASONS)}, text=_TEXT)
    return dict(sorted(schemas.items()))


def name_of(kind: str) -> str:
    """The name of the payload's schema: "worker.created" is EventWorkerCreated."""
    return "Event" + "".join(word.title() for word in kind.replace("_", ".").split("."))


def operation() -> Schema:
    """The stream as an operation."""
    channel = {
        "type": "array",
        "maxItems": 250,
        "items": {"type": "string", "pattern": r"^events(\.(workers|operations|alerts|labs|(worker|lab)\.[0-9a-f-]{36}))?$"},
    }
    return {
        "operationId": "streamEvents",
        "summary": "Listen to events",
        "tags": ["Live"],
        "description": (
            "Server-sent events as they happen: the payload of each is one of `StreamedEvent`, its `event` the payload’s `type`. "
            "Come back with the last `id` as Last-Event-ID, and you get what you missed; `reset` says when that is not possible: read again "
            "what you show. "
            "A comment every 15 seconds at most keeps the connection. The stream ends when you may no longer listen."
        ),
        "parameters": [
            {
                "in": "query",
                "name": "channel",
                "required": False,
                "description": "`events` (everything), or a part of it: `events.workers`, `events.worker.<id>` …",
                "schema": channel,
            },
            {
                "in": "query",
                "name": "events",
                "required": False,
                "description": "1: short for `channel=events`.",
                "schema": {"type": "string", "enum": ["1"]},
            },
            {
                "in": "query",
                "name": "after",
                "required": False,
                "description": "As Last-Event-ID, for clients that cannot set it; the header wins.",
                "schema": _TEXT,
            },
            {
                "in": "header",
                "name": "Last-Event-ID",
                "required": False,
                "description": "The id of the last event that you have.",
                "schema": _TEXT,
            },
        ],
        "responses": {
            "200": {
                "description": "The stream, for as long as you listen.",
                "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/StreamedEvent"}}},
            }
        },
    }


def add_stream(schema: Schema) -> None:
    """Put the stream and its payloads into the document."""
    payloads = {name_of(kind): found | {"title": kind} for kind, found in events().items()}
    schema["components"]["schemas"] |= payloads
    one_of = [{"$ref": f"#/components/schemas/{name}"} for name in payloads]
    schema["components"]["schemas"]["StreamedEvent"] = {
        "title": "StreamedEvent",
        "description": "What stands in `data` of an event. Ignore types and members that you do not know: some will be added.",
        "anyOf": one_of,
    }
    stream = operation()
    # It has no codes of its own: type is about:blank, and the status says which problem it is.
    problem = {
        "application/problem+json": {"schema": _object(type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT)}
    }
    stream["responses"] |= {str(status): {"description": _REFUSALS[status], "content": problem} for status in _REFUSALS}
    schema["paths"]["/api/events/stream"] = {"get": stream}
