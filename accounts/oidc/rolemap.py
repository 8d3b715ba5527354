"""OIDC_ROLE_MAP: which groups and roles of the provider are which role here.

Keys are `group:/cml/admins` or `group:cml-admins` (a Keycloak group by full path or name), `realm:cml-admin` (a realm role), and
`client:cmlmanager:admin` (a client's role); values are `admin`, `manager`, `user`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from accounts.roles import Role

NONE = "none"
_FORM = 'use "group:/path/of/group", "group:name", "realm:role" or "client:id-of-client:role"'


@dataclass(frozen=True, slots=True)
class Held:
    """What somebody holds at the provider. Groups without their leading slash; a client's role with the client's id."""

    groups: frozenset[str]
    realm: frozenset[str]
    client: frozenset[tuple[str, str]]


def roles_of(claims: Iterable[Mapping[str, Any]]) -> frozenset[Role]:
    """The roles that the map gives for what all these sets of claims say together; OIDC_DEFAULT_ROLE's when it gives none."""
    held = _held(claims)
    # What is wrong with the settings, the checks have said; here it gives nothing.
    roles = {
        Role(value) for key, value in _inside(settings.OIDC_ROLE_MAP).items() if value in Role.values and _holds(held, key)
    }
    if not roles and settings.OIDC_DEFAULT_ROLE == Role.USER:
        roles = {Role.USER}
    return frozenset(roles)


def problems(document: object) -> list[str]:
    """What is wrong with a map, in sentences; empty when nothing is."""
    if not isinstance(document, dict):
        return ["OIDC_ROLE_MAP is not a JSON object of keys and roles."]
    found = []
    for key, value in document.items():
        if not _is_key(key):
            found.append(f"OIDC_ROLE_MAP has the key {key!r}: {_FORM}.")
        if value not in Role.values:
            found.append(f"OIDC_ROLE_MAP gives {key!r} the role {value!r}: use {', '.join(Role.values)}.")
    return found


def _is_key(key: str) -> bool:
    kind, _, name = key.partition(":")
    if kind == "client":
        client, _, role = name.rpartition(":")
        return bool(client and role)
    return kind in ("group", "realm") and bool(name.strip("/"))


def _holds(held: Held, key: str) -> bool:
    kind, _, name = key.partition(":")
    if kind == "group":
        # The whole path: "admins" is not "/somebody-elses/admins".
        return _bare(name) in held.groups
    if kind == "realm":
        return name in held.realm
    client, _, role = name.rpartition(":")
    return (client, role) in held.client


def _held(claims: Iterable[Mapping[str, Any]]) -> Held:
    groups: set[str] = set()
    realm: set[str] = set()
    client: set[tuple[str, str]] = set()
    for one in claims:
        groups.update(_bare(name) for name in _names(one.get(settings.OIDC_GROUPS_CLAIM)))
        realm.update(_names(one.get(settings.OIDC_ROLES_CLAIM)))
        realm.update(_names(_inside(one.get("realm_access")).get("roles")))
        for client_id, access in _inside(one.get("resource_access")).items():
            client.update((client_id, name) for name in _names(_inside(access).get("roles")))
    return Held(frozenset(groups), frozenset(realm), frozenset(client))


def _bare(path: str) -> str:
    return path.removeprefix("/")


def _names(value: object) -> list[str]:
    """Some providers send a single name as text."""
    if isinstance(value, str):
        return [value]
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _inside(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
