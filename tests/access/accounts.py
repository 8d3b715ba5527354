"""Signing in and out, one's own account, and the probes."""

from __future__ import annotations

from tests.access import IN, PUBLIC, Row

ROWS: list[Row] = [
    ("GET", "livez", {}, PUBLIC),
    ("GET", "readyz", {}, PUBLIC),
    ("GET", "sign-in/", {}, (200, 302, 302, 302, 302)),
    ("POST", "sign-in/", {}, (200, 302, 302, 302, 302)),
    ("GET", "sign-in/inactive/", {}, PUBLIC),
    ("GET", "sign-out/", {}, (302, 200, 200, 200, 200)),
    ("POST", "sign-out/", {}, (302, 302, 302, 302, 302)),
    ("GET", "account/", {}, (IN, 200, 200, 200, 200)),
    ("POST", "account/", {}, (IN, 422, 422, 422, 422)),
]
