"""One's own sessions and API tokens, and the operators' lists of them."""

from __future__ import annotations

from tests.access import DESK, DESK_REFUSED, IN, Row

ABSENT = "00000000-0000-4000-8000-000000000000"
# Everybody who is signed in, with a role or without.
OWN = (IN, 200, 200, 200, 200)
ROWS: list[Row] = [
    ("GET", "account/session/", {}, (401, 200, 200, 200, 200)),
    ("POST", "account/session/", {}, (401, 200, 200, 200, 200)),
    ("GET", "account/sessions/", {}, OWN),
    ("POST", "account/sessions/", {}, (IN, 405, 405, 405, 405)),
    ("POST", "account/sessions/<uuid:sign_in_id>/end/", {"sign_in_id": ABSENT}, (IN, 302, 302, 302, 302)),
    ("POST", "account/sessions/end/", {}, (IN, 302, 302, 302, 302)),
    ("GET", "account/sessions/end/", {}, (IN, 405, 405, 405, 405)),
    ("GET", "account/tokens/", {}, OWN),
    ("POST", "account/tokens/", {}, (IN, 422, 422, 422, 422)),
    ("POST", "account/tokens/<int:token_id>/revoke/", {"token_id": "0"}, (IN, 404, 404, 404, 404)),
]
for model in ("accounts/signin", "accounts/apitoken"):
    ROWS += [
        ("GET", f"admin/{model}/", {}, DESK),
        ("POST", f"admin/{model}/", {}, DESK),
        ("GET", f"admin/{model}/add/", {}, DESK_REFUSED),
        ("POST", f"admin/{model}/add/", {}, DESK_REFUSED),
        ("GET", f"admin/{model}/<path:object_id>/history/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("GET", f"admin/{model}/<path:object_id>/delete/", {"object_id": "absent"}, DESK_REFUSED),
        ("GET", f"admin/{model}/<path:object_id>/change/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("GET", f"admin/{model}/<path:object_id>/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
        ("POST", f"admin/{model}/<path:object_id>/", {"object_id": "absent"}, (IN, 403, 403, 403, 302)),
    ]
