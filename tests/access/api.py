"""The API by session; tokens have tests of their own. Nobody is led to sign-in: a program gets 401."""

from __future__ import annotations

from tests.access import IN, PUBLIC, Row

API_SEEN = (401, 403, 200, 200, 200)
NOBODY_FINDS = (404, 404, 404, 404, 404)
_WORKER = {"worker_id": "worker"}
_NO_SUCH_OPERATION = {"operation_id": "worker"}

ROWS: list[Row] = [
    ("GET", "api/", {}, (IN, 403, 302, 302, 302)),
    ("GET", "api/docs", {}, (IN, 403, 200, 200, 200)),
    ("GET", "api/openapi.json", {}, PUBLIC),
    ("GET", "api/<path:rest>", {"rest": "nothing/here"}, NOBODY_FINDS),
    ("GET", "api/whoami", {}, (401, 200, 200, 200, 200)),
    ("GET", "api/workers", {}, API_SEEN),
    ("GET", "api/workers/<uuid:worker_id>", _WORKER, API_SEEN),
    ("POST", "api/workers/<uuid:worker_id>/start", _WORKER, (401, 403, 403, 200, 200)),
    ("GET", "api/workers/<uuid:worker_id>/start", _WORKER, (401, 403, 405, 405, 405)),
    ("GET", "api/operations/<uuid:operation_id>", _NO_SUCH_OPERATION, (401, 403, 404, 404, 404)),
]
