"""The doors to the OpenID provider. All are shut while OIDC_ISSUER is not set, as here; tests.accounts.test_oidc_doors has them open."""

from __future__ import annotations

from tests.access import Row

CLOSED = (404, 404, 404, 404, 404)
NO_METHOD = (405, 405, 405, 405, 405)

ROWS: list[Row] = [
    ("GET", "oidc/authenticate/", {}, CLOSED),
    ("HEAD", "oidc/authenticate/", {}, NO_METHOD),  # what a look ahead asks with begins and ends nothing
    ("GET", "oidc/callback/", {}, CLOSED),
    ("HEAD", "oidc/callback/", {}, NO_METHOD),
    ("POST", "oidc/backchannel-logout/", {}, CLOSED),
]
