"""The system page and its parts."""

from __future__ import annotations

from tests.access import DESK, DESK_REFUSED, IN, SEEN, Row

ACT = (IN, 403, 403, 403, 302)
ROWS: list[Row] = [
    ("GET", "system/", {}, SEEN),
    ("POST", "system/", {}, (IN, 403, 405, 405, 405)),
    ("POST", "system/check/", {}, ACT),
    ("GET", "system/check/", {}, (IN, 403, 405, 405, 405)),
    ("GET", "system/line/", {}, SEEN),
    ("GET", "system/jobs/<slug:name>/", {"name": "discovery"}, SEEN),
    ("GET", "system/jobs/<slug:name>/", {"name": "nonsense"}, (IN, 403, 404, 404, 404)),
    ("POST", "system/jobs/<slug:name>/run/", {"name": "discovery"}, ACT),
    ("POST", "system/jobs/<slug:name>/pause/", {"name": "discovery"}, (IN, 403, 403, 403, 422)),
    ("POST", "system/jobs/<slug:name>/resume/", {"name": "discovery"}, ACT),
    ("GET", "system/runs/<int:run_id>/", {"run_id": "0"}, (IN, 403, 404, 404, 404)),
]
for model in ("system/checkresult", "system/job", "system/jobrun", "system/process"):
    ROWS += [
        ("GET", f"admin/{model}/", {}, DESK),
        ("POST", f"admin/{model}/", {}, DESK),
        ("GET", f"admin/{model}/add/", {}, DESK_REFUSED),
        ("GET", f"admin/{model}/<path:object_id>/history/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("GET", f"admin/{model}/<path:object_id>/delete/", {"object_id": "absent"}, DESK_REFUSED),
        ("GET", f"admin/{model}/<path:object_id>/change/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("GET", f"admin/{model}/<path:object_id>/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("POST", f"admin/{model}/<path:object_id>/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
    ]
