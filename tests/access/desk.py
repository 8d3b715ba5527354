"""The Django admin."""

from __future__ import annotations

from tests.access import DESK, DESK_REFUSED, IN, Row

ROWS: list[Row] = [
    ("GET", "admin/", {}, DESK),
    ("GET", "admin/login/", {}, (IN, 403, 403, 403, 302)),
    ("POST", "admin/logout/", {}, (IN, 403, 403, 403, 302)),
    ("GET", "admin/password_change/", {}, (IN, 403, 403, 403, 302)),
    ("POST", "admin/password_change/", {}, (IN, 403, 403, 403, 302)),
    ("POST", "admin/login/", {}, (IN, 403, 403, 403, 302)),
    ("GET", "admin/password_change/done/", {}, DESK),
    ("GET", "admin/autocomplete/", {}, DESK_REFUSED),
    ("GET", "admin/jsi18n/", {}, DESK),
    (
        "GET",
        "admin/r/<path:content_type_id>/<path:object_id>/",
        {"content_type_id": "1", "object_id": "1"},
        (IN, 403, 403, 403, 404),
    ),
    ("GET", "admin/<app_label>/", {"app_label": "workers"}, DESK),
    ("GET", "admin/<path:url>", {"url": "nonsense"}, (IN, 403, 403, 403, 404)),
]
for model, may_change in (
    ("workers/worker", False),
    ("workers/event", False),
    ("workers/operation", False),
    ("workers/notificationtarget", False),
    ("workers/delivery", False),
    ("workers/regioncheck", False),
    ("workers/alert", False),
    ("workers/alertthreshold", False),
    ("workers/alertmute", False),
    ("labs/lab", False),
    ("labs/labversion", False),
    ("labs/labscheck", False),
    ("labs/labsbackup", False),
    ("labs/labyaml", False),
    ("labs/labfile", False),
    ("workers/sample", False),
    ("workers/hourlysample", False),
    ("workers/historymark", False),
    ("workers/strayinstance", False),
    ("workers/doubtfulseat", False),
    ("workers/licensetoken", False),
    ("runtime/settingvalue", False),
    ("runtime/turn", False),
    ("accounts/user", True),
):
    may_add = DESK if may_change else DESK_REFUSED
    may_post = (IN, 403, 403, 403, 302) if may_change else DESK_REFUSED
    ROWS += [
        ("GET", f"admin/{model}/", {}, DESK),
        ("POST", f"admin/{model}/", {}, DESK),
        ("GET", f"admin/{model}/add/", {}, may_add),
        ("POST", f"admin/{model}/add/", {}, may_add),
        ("GET", f"admin/{model}/<path:object_id>/history/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("GET", f"admin/{model}/<path:object_id>/delete/", {"object_id": "absent"}, DESK_REFUSED),
        ("POST", f"admin/{model}/<path:object_id>/delete/", {"object_id": "absent"}, DESK_REFUSED),
        ("GET", f"admin/{model}/<path:object_id>/change/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("POST", f"admin/{model}/<path:object_id>/change/", {"object_id": "absent"}, may_post),
        ("GET", f"admin/{model}/<path:object_id>/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("POST", f"admin/{model}/<path:object_id>/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
    ]
ROWS += [
    ("GET", "admin/accounts/user/<id>/password/", {"id": "0"}, (IN, 403, 403, 403, 404)),
    ("POST", "admin/accounts/user/<id>/password/", {"id": "0"}, (IN, 403, 403, 403, 404)),
    ("GET", "admin/auth/group/", {}, DESK),
    ("POST", "admin/auth/group/", {}, DESK),
    ("GET", "admin/auth/group/add/", {}, DESK_REFUSED),
    ("POST", "admin/auth/group/add/", {}, DESK_REFUSED),
    ("GET", "admin/auth/group/<path:object_id>/history/", {"object_id": "0"}, (IN, 403, 403, 403, 302)),
    ("GET", "admin/auth/group/<path:object_id>/delete/", {"object_id": "0"}, DESK_REFUSED),
    ("POST", "admin/auth/group/<path:object_id>/delete/", {"object_id": "0"}, DESK_REFUSED),
    ("GET", "admin/auth/group/<path:object_id>/change/", {"object_id": "0"}, (IN, 403, 403, 403, 302)),
    ("POST", "admin/auth/group/<path:object_id>/change/", {"object_id": "0"}, DESK_REFUSED),
    ("GET", "admin/auth/group/<path:object_id>/", {"object_id": "0"}, (IN, 403, 403, 403, 302)),
    ("POST", "admin/auth/group/<path:object_id>/", {"object_id": "0"}, (IN, 403, 403, 403, 302)),
]
