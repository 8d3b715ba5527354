"""Pages of labs."""

from __future__ import annotations

from tests.access import ADMIN_ONLY, IN, SEEN, Row

ROWS: list[Row] = [
    ("GET", "workers/<uuid:worker_id>/labs/", {"worker_id": "worker"}, SEEN),
    ("GET", "labs/", {}, SEEN),
    ("POST", "labs/", {}, (IN, 403, 405, 405, 405)),
    ("GET", "labs/<uuid:lab_id>/", {"lab_id": "lab"}, SEEN),
    ("GET", "labs/<uuid:lab_id>/history/", {"lab_id": "lab"}, SEEN),
    ("GET", "labs/import/", {}, (IN, 403, 403, 200, 200)),
    ("POST", "labs/import/", {}, (IN, 403, 403, 422, 422)),
    ("POST", "labs/bulk/", {}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/bulk/", {}, (IN, 403, 405, 405, 405)),
    ("GET", "labs/files/<uuid:operation_id>/", {"operation_id": "worker"}, (IN, 403, 403, 404, 404)),
    ("GET", "labs/<uuid:lab_id>/actions/", {"lab_id": "lab"}, SEEN),
    ("POST", "labs/<uuid:lab_id>/start/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("POST", "labs/<uuid:lab_id>/stop/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/<uuid:lab_id>/wipe/", {"lab_id": "lab"}, (IN, 403, 403, 200, 200)),
    ("POST", "labs/<uuid:lab_id>/wipe/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/<uuid:lab_id>/delete/", {"lab_id": "lab"}, ADMIN_ONLY),
    ("POST", "labs/<uuid:lab_id>/delete/", {"lab_id": "lab"}, (IN, 403, 403, 403, 422)),
    ("POST", "labs/<uuid:lab_id>/download/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("POST", "labs/<uuid:lab_id>/backup/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/<uuid:lab_id>/versions/", {"lab_id": "lab"}, SEEN),
    ("GET", "labs/<uuid:lab_id>/versions/compare/", {"lab_id": "lab"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/versions/", {}, SEEN),
    ("GET", "labs/versions/<int:version_id>/", {"version_id": "version"}, (IN, 403, 403, 200, 200)),
    ("GET", "labs/versions/<int:version_id>/download/", {"version_id": "version"}, (IN, 403, 403, 200, 200)),
    ("POST", "labs/versions/<int:version_id>/pin/", {"version_id": "version"}, (IN, 403, 403, 302, 302)),
    ("GET", "labs/versions/<int:version_id>/restore/", {"version_id": "version"}, (IN, 403, 403, 200, 200)),
    ("POST", "labs/versions/<int:version_id>/restore/", {"version_id": "version"}, (IN, 403, 403, 422, 422)),
    ("GET", "workers/<uuid:worker_id>/labs/archive/", {"worker_id": "worker"}, (IN, 403, 403, 200, 200)),
    ("POST", "workers/<uuid:worker_id>/labs/backup/", {"worker_id": "worker"}, (IN, 403, 403, 302, 302)),
]
