"""Whether anybody could get a role. Which groups a realm has, it tells only its operators."""

from __future__ import annotations

from collections.abc import Iterator

from accounts.realm.finding import Finding, ok, problem, unknown, warning
from accounts.realm.setup import Setup
from accounts.roles import Role


def role_map(setup: Setup) -> Iterator[Finding]:
    """What can be said of OIDC_ROLE_MAP without asking for anybody."""
    given = {str(role) for role in setup.role_map.values()}
    if not setup.role_map and setup.default_role == "none":
        yield problem(
            "role_map",
            "OIDC_ROLE_MAP is empty and OIDC_DEFAULT_ROLE is none: everybody who signs in would see that they have no role.",
            'Name the realm\'s groups or roles, for example OIDC_ROLE_MAP={"/cml/admins": "admin", "/cml/users": "user"}.',
        )
        return
    if odd := [name for name in setup.role_map if _cannot_be(name)]:
        yield problem(
            "role_map",
            f"OIDC_ROLE_MAP names what no realm can have: {', '.join(map(repr, odd))}.",
            "A group is written as Keycloak shows its path, /cml/admins, or by its name alone; without spaces around it.",
        )
    elif Role.ADMIN not in given:
        yield warning(
            "role_map",
            "OIDC_ROLE_MAP gives nobody the role admin: only local accounts can be administrators.",
            "Add the group of your administrators, unless that is meant.",
        )
    else:
        yield ok("role_map", f"OIDC_ROLE_MAP gives roles to {', '.join(sorted(setup.role_map))}.")


def groups(setup: Setup) -> Iterator[Finding]:
    """What nobody can ask without somebody signing in."""
    yield unknown(
        "groups",
        f"Whether the realm puts people's groups into {setup.groups_claim!r} shows only when somebody signs in.",
        f"Under Clients → {setup.client_id} → Client scopes → {setup.client_id}-dedicated there must be a mapper “Group Membership” with the "
        f"token claim name {setup.groups_claim}, “Full group path” and “Add to userinfo” on. `check_oidc --token` shows what a token says.",
    )


def _cannot_be(name: str) -> bool:
    return not name.strip() or name != name.strip() or "//" in name or (name.startswith("/") and name.endswith("/"))
