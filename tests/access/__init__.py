"""Who gets what, room by room. Each module's ROWS are decisions about addresses; tests.test_access_matrix tries them all."""

from __future__ import annotations

# (method, route as the URL configuration spells it, arguments, expected statuses in the order of PEOPLE). An address of the API has three
# more: a token's of each scope, in the order of TOKENS. To pages a token means nothing: whoever sends one is signed out.
Row = tuple[str, str, dict[str, str], tuple[int, ...]]

# What each person gets, in the order: signed out, no role, user, manager, admin (who is staff).
PEOPLE = ("signed out", "no role", "user", "manager", "admin")
TOKENS = ("token: user", "token: manager", "token: admin")
# All of them are tried on every address. A method that no row names must be refused, whoever asks.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
IN = 302  # to sign-in
SEEN = (IN, 403, 200, 200, 200)
ADMIN_ONLY = (IN, 403, 403, 403, 200)
PUBLIC = (200, 200, 200, 200, 200)
OWN = (IN, 200, 200, 200, 200)  # a page about oneself, whatever the role
OWN_CONFIRMED = (IN, 302, 302, 302, 302)  # the same, after confirming that it is oneself
# Staff open the Django admin; what they may do there their permissions say.
DESK = (IN, 403, 403, 403, 200)
DESK_REFUSED = (IN, 403, 403, 403, 403)
