"""The settings page."""

from __future__ import annotations

from tests.access import ADMIN_ONLY, IN, Row

ROWS: list[Row] = [
    ("GET", "settings/", {}, ADMIN_ONLY),
    ("POST", "settings/", {}, (IN, 403, 405, 405, 405)),
    ("POST", "settings/<slug:group>/", {"group": "reading"}, (IN, 403, 403, 403, 422)),
    ("POST", "settings/<slug:group>/", {"group": "nonsense"}, (IN, 403, 403, 403, 404)),
    ("GET", "settings/<slug:group>/", {"group": "reading"}, (IN, 403, 405, 405, 405)),
    ("POST", "settings/default/", {}, (IN, 403, 403, 403, 404)),
    ("GET", "settings/default/", {}, (IN, 403, 405, 405, 405)),
    ("GET", "settings/templates/new/", {}, ADMIN_ONLY),
    ("POST", "settings/templates/new/", {}, (IN, 403, 403, 403, 422)),
    ("GET", "settings/templates/<int:number>/", {"number": "1"}, (IN, 403, 403, 403, 404)),
    ("POST", "settings/templates/<int:number>/", {"number": "1"}, (IN, 403, 403, 403, 422)),
    ("GET", "settings/templates/<int:number>/delete/", {"number": "1"}, (IN, 403, 403, 403, 404)),
    ("POST", "settings/templates/<int:number>/delete/", {"number": "1"}, (IN, 403, 403, 403, 404)),
]
