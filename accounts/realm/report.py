"""All checks of a realm, in the order in which one would look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from accounts.realm import client, keys, roles
from accounts.realm.addresses import find_realm
from accounts.realm.finding import Finding, State, problem, unknown
from accounts.realm.provider import Provider, Silent
from accounts.realm.setup import Realm, Setup

_CHECKS: tuple[Callable[[Realm], Iterator[Finding]], ...] = (
    keys.signatures,
    keys.offers,
    client.credentials,
    client.sign_in,
    client.backchannel,
)


def check(setup: Setup, *, now: datetime, token: str = "") -> list[Finding]:
    """What is right and wrong with the realm of `setup`, and with an access token if one is given. Never raises for what Keycloak does."""
    if not setup.client_id:
        return [problem("client", "OIDC_CLIENT_ID is not set.", "It is the Client ID under Clients in the console.")]
    findings, realm = find_realm(setup, Provider(setup.timeout), now)
    if realm is None or any(found.name == "endpoints" for found in findings):
        return [*findings, *roles.role_map(setup)]
    for each in _CHECKS:
        findings.extend(_answers(each, realm))
    # What a client that is not there would answer says nothing.
    well = {found.name for found in findings if found.state is State.OK}
    findings.extend(_answers(client.direct_grants, realm) if "secret" in well else ())
    findings.extend(_answers(client.sign_out, realm) if "redirect" in well else ())
    said = roles.token(setup, token, now) if token else roles.groups(setup)
    return [*findings, *roles.role_map(setup), *said]


def _answers(each: Callable[[Realm], Iterator[Finding]], realm: Realm) -> Iterator[Finding]:
    try:
        yield from each(realm)
    except Silent as silence:
        yield unknown(each.__name__, f"It stopped answering. {silence}", "Run this again.")
