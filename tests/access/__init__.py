"""Who gets what, room by room. Each module's ROWS are decisions about addresses; tests.test_access_matrix tries them all."""

from __future__ import annotations

# (method, route as the URL configuration spells it, arguments, expected statuses in the order of PEOPLE).
Row = tuple[str, str, dict[str, str], tuple[int, ...]]

# What each person gets, in the order: signed out, no role, user, manager, admin (who is staff).
PEOPLE = ("signed out", "no role", "user", "manager", "admin")
IN = 302  # to sign-in
SEEN = (IN, 403, 200, 200, 200)
ADMIN_ONLY = (IN, 403, 403, 403, 200)
PUBLIC = (200, 200, 200, 200, 200)
# Staff open the Django admin; what they may do there their permissions say.
DESK = (IN, 403, 403, 403, 200)
DESK_REFUSED = (IN, 403, 403, 403, 403)
