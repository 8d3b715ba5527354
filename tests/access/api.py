"""The API by session; tokens have tests of their own. Nobody is led to sign-in: a program gets 401."""

from __future__ import annotations

from tests.access import IN, PUBLIC, Row

API_SEEN = (401, 403, 200, 200, 200)
API_ADMIN = (401, 403, 403, 403, 200)
NOBODY_FINDS = (404, 404, 404, 404, 404)
_WORKER = {"worker_id": "worker"}
_ID = {"operation_id": "worker"}
_BATCH = {"batch_id": "worker"}
_OF = "api/workers/<uuid:worker_id>"

# Without a body, what needs one is 422 to everybody whose session is good: who may is judged of a request that can be understood.
_NEEDS_BODY = (401, 403, 422, 422, 422)

ROWS: list[Row] = [
    ("GET", "api/", {}, (IN, 403, 302, 302, 302)),
    ("GET", "api/docs", {}, (IN, 403, 200, 200, 200)),
    ("GET", "api/openapi.json", {}, PUBLIC),
    ("GET", "api/<path:rest>", {"rest": "nothing/here"}, NOBODY_FINDS),
    ("GET", "api/whoami", {}, (401, 200, 200, 200, 200)),
    ("GET", "api/workers", {}, API_SEEN),
    ("POST", "api/workers", {}, _NEEDS_BODY),
    ("POST", "api/workers/bulk", {}, _NEEDS_BODY),
    ("POST", "api/workers/bulk/refresh", {}, _NEEDS_BODY),
    ("POST", "api/workers/proposals", {}, _NEEDS_BODY),
    ("GET", "api/workers/proposals/<uuid:operation_id>", _ID, (401, 403, 403, 403, 404)),
    ("POST", "api/workers/imports", {}, _NEEDS_BODY),
    ("GET", "api/workers/imports/<uuid:operation_id>", _ID, (401, 403, 403, 403, 404)),
    ("GET", "api/workers/strays", {}, API_ADMIN),
    ("GET", _OF, _WORKER, API_SEEN),
    ("DELETE", _OF, _WORKER, (401, 403, 403, 403, 409)),
    ("GET", f"{_OF}/history", _WORKER, API_SEEN),
    ("GET", f"{_OF}/samples", _WORKER, API_SEEN),
    ("GET", f"{_OF}/hours", _WORKER, API_SEEN),
    ("POST", f"{_OF}/start", _WORKER, (401, 403, 403, 409, 409)),
    ("GET", f"{_OF}/start", _WORKER, (401, 403, 405, 405, 405)),
    ("POST", f"{_OF}/stop", _WORKER, (401, 403, 403, 202, 202)),
    ("POST", f"{_OF}/terminate", _WORKER, _NEEDS_BODY),
    ("PUT", f"{_OF}/monitoring", _WORKER, _NEEDS_BODY),
    ("PATCH", f"{_OF}/tags", _WORKER, _NEEDS_BODY),
    ("POST", f"{_OF}/refresh", _WORKER, (401, 403, 409, 409, 409)),
    ("GET", f"{_OF}/connection", _WORKER, API_ADMIN),
    ("PATCH", f"{_OF}/connection", _WORKER, _NEEDS_BODY),
    ("POST", f"{_OF}/connection/check", _WORKER, (401, 403, 403, 403, 409)),
    ("POST", f"{_OF}/connection/trust", _WORKER, _NEEDS_BODY),
    ("GET", "api/operations", {}, API_SEEN),
    ("GET", "api/operations/<uuid:operation_id>", _ID, (401, 403, 404, 404, 404)),
    ("GET", "api/batches/<uuid:batch_id>", _BATCH, (401, 403, 404, 404, 404)),
    ("GET", "api/batches/<uuid:batch_id>/operations", _BATCH, (401, 403, 404, 404, 404)),
    ("POST", "api/batches/<uuid:batch_id>/retry", _BATCH, (401, 403, 404, 404, 404)),
]
# A token may what its scope's role may.
ROWS = [
    (method, route, arguments, (*expected, *expected[2:]) if expected[0] == 401 and len(expected) == 5 else expected)
    for method, route, arguments, expected in ROWS
]
