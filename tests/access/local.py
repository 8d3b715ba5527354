"""Local accounts: their doors, passwords and second factors. The people of the matrix have a password and no second factor."""

from __future__ import annotations

from tests.access import IN, OWN, OWN_CONFIRMED, Row

ABSENT = (404, 404, 404, 404, 404)
NOT_MINE = (IN, 404, 404, 404, 404)
CHANGE = "account/second-factor/"

ROWS: list[Row] = [
    # A door of its own, which is there only while the others are shut: tests.accounts.test_break_glass.
    ("GET", "sign-in/break-glass/", {}, ABSENT),
    ("POST", "sign-in/break-glass/", {}, ABSENT),
    ("GET", "sign-in/passkey/", {}, (IN, 302, 302, 302, 302)),
    ("POST", "sign-in/passkey/", {}, (IN, 302, 302, 302, 302)),
    # Only in the middle of a sign-in.
    ("GET", "sign-in/second-factor/", {}, (IN, 302, 302, 302, 302)),
    ("POST", "sign-in/second-factor/", {}, (IN, 302, 302, 302, 302)),
    ("GET", "account/confirm/", {}, OWN),
    ("POST", "account/confirm/", {}, OWN),
    # Those who have no code and no passkey are asked for the password.
    ("GET", "account/confirm/code/", {}, OWN_CONFIRMED),
    ("POST", "account/confirm/code/", {}, OWN_CONFIRMED),
    ("GET", "account/confirm/passkey/", {}, OWN_CONFIRMED),
    ("POST", "account/confirm/passkey/", {}, OWN_CONFIRMED),
    ("GET", "account/password/", {}, OWN),
    ("POST", "account/password/", {}, OWN),
    ("GET", CHANGE, {}, OWN),
    ("GET", f"{CHANGE}app/", {}, OWN_CONFIRMED),
    ("POST", f"{CHANGE}app/", {}, OWN_CONFIRMED),
    ("GET", f"{CHANGE}app/remove/", {}, NOT_MINE),
    ("POST", f"{CHANGE}app/remove/", {}, NOT_MINE),
    ("GET", f"{CHANGE}codes/", {}, NOT_MINE),
    ("GET", f"{CHANGE}codes/new/", {}, OWN_CONFIRMED),
    ("POST", f"{CHANGE}codes/new/", {}, OWN_CONFIRMED),
    ("GET", f"{CHANGE}codes/download/", {}, NOT_MINE),
    ("GET", f"{CHANGE}passkeys/", {}, OWN_CONFIRMED),
    ("GET", f"{CHANGE}passkeys/new/", {}, OWN_CONFIRMED),
    ("POST", f"{CHANGE}passkeys/new/", {}, OWN_CONFIRMED),
    ("GET", f"{CHANGE}passkeys/<int:pk>/", {"pk": "0"}, OWN_CONFIRMED),
    ("POST", f"{CHANGE}passkeys/<int:pk>/", {"pk": "0"}, OWN_CONFIRMED),
    ("GET", f"{CHANGE}passkeys/<int:pk>/remove/", {"pk": "0"}, OWN_CONFIRMED),
    ("POST", f"{CHANGE}passkeys/<int:pk>/remove/", {"pk": "0"}, OWN_CONFIRMED),
]
