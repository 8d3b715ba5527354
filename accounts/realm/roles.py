"""Whether anybody could get a role. Which groups a realm has, it tells only its operators; what a token says, everybody who has one."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from accounts.oidc import rolemap, tokens
from accounts.oidc.errors import ProviderAway, TokenRefused
from accounts.realm.finding import Finding, ok, problem, unknown, warning
from accounts.realm.setup import Setup
from accounts.roles import Role


def role_map(setup: Setup) -> Iterator[Finding]:
    """What can be said of OIDC_ROLE_MAP without asking for anybody."""
    wrong = rolemap.problems(setup.role_map)
    odd = [] if wrong else [key for key in setup.role_map if _cannot_be(key)]
    if wrong:
        yield problem("role_map", " ".join(wrong), "docs/keycloak.md has an example.")
    elif odd:
        yield problem(
            "role_map",
            f"OIDC_ROLE_MAP names what no realm can have: {', '.join(map(repr, odd))}.",
            "A group is written as the console shows its path, group:/cml/admins, without a slash at its end and without spaces around it.",
        )
    elif not setup.role_map and setup.default_role == rolemap.NONE:
        yield warning(
            "role_map",
            "OIDC_ROLE_MAP is empty and OIDC_DEFAULT_ROLE is none: whoever signs in has no role until somebody gives one in the Django admin.",
            'Name the realm\'s groups or roles: OIDC_ROLE_MAP={"group:/cml/admins": "admin", "group:/cml/users": "user"}.',
        )
    elif setup.role_map and Role.ADMIN not in setup.role_map.values():
        yield warning(
            "role_map",
            "OIDC_ROLE_MAP gives nobody the role admin: only local accounts can be administrators.",
            "Add the group of your administrators, unless that is meant.",
        )
    else:
        named = ", ".join(sorted(setup.role_map)) or f"everybody ({setup.default_role})"
        yield ok("role_map", f"OIDC_ROLE_MAP gives roles to {named}.")


def groups(setup: Setup) -> Iterator[Finding]:
    """What nobody can ask without somebody signing in."""
    yield unknown(
        "groups",
        f"Whether the realm puts people's groups into {setup.groups_claim!r} shows only when somebody signs in, or in a token: --token.",
        f"Under Clients → {setup.client_id} → Client scopes → {setup.client_id}-dedicated there must be a mapper “Group Membership” with the "
        f"token claim name {setup.groups_claim}, “Full group path” and “Add to userinfo” on.",
    )


def token(setup: Setup, raw: str, now: datetime) -> Iterator[Finding]:
    """What an access token is worth here. It is neither kept nor shown."""
    claims = _claims_of(raw)
    if claims is None:
        yield problem("token", "This is no JWT.", "Give the access_token of the token endpoint's answer, and nothing else.")
        return
    try:
        tokens.verify_access_token(raw)
    except TokenRefused as refused:
        yield problem("token", f"The API would refuse it. {refused}", _advice(setup, claims, now))
    except ProviderAway as away:
        yield unknown("token", f"Whether the API takes it could not be found out. {away}")
    else:
        yield ok("token", "The API takes it, once its person has signed in to the portal.")
    yield from _role_of(setup, claims)


def _advice(setup: Setup, claims: dict[str, Any], now: datetime) -> str:
    if isinstance(claims.get("exp"), int) and claims["exp"] <= now.timestamp():
        return "Get another: they are good for minutes."
    audience, client = claims.get("aud"), claims.get("azp")
    return (
        f"It is for {audience!r} and was given to {client!r}; it must be for OIDC_API_AUDIENCE={setup.api_audience} (a mapper “Audience”) and be "
        f"given to one of OIDC_API_CLIENTS={','.join(setup.api_clients)}."
    )


def _role_of(setup: Setup, claims: dict[str, Any]) -> Iterator[Finding]:
    role = max(rolemap.roles_of([claims]), key=list(Role).index, default=None)
    held = claims.get(setup.groups_claim)
    said = f"Its {setup.groups_claim!r} says {held!r}" if setup.groups_claim in claims else f"It has no {setup.groups_claim!r}"
    if role is not None:
        yield ok("token_role", f"{said}: that is the role {role.value}.")
    else:
        yield warning(
            "token_role",
            f"{said}: that is no role.",
            "Put one of them into OIDC_ROLE_MAP, or its person into a group that is there. Without any, the mapper “Group Membership” is missing, "
            "or its “Add to access token” is off.",
        )


def _claims_of(raw: str) -> dict[str, Any] | None:
    """What it says, unverified."""
    try:
        payload = raw.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def _cannot_be(key: str) -> bool:
    kind, _, name = key.partition(":")
    return name != name.strip() or (kind == "group" and ("//" in name or name.endswith("/")))
