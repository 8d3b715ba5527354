"""Whether the portal's client in the realm works, and works for nobody else."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from accounts.realm.finding import Finding, ok, problem, unknown, warning
from accounts.realm.provider import Answer
from accounts.realm.setup import Realm, Setup, nobody

# What the client's secret is when deploy/keycloak's realm was imported without the variable that it names.
UNFILLED = "${OIDC_CLIENT_SECRET}"


def credentials(realm: Realm) -> Iterator[Finding]:
    """Whether the realm knows client and secret, and knows nobody without."""
    setup = realm.setup
    if not setup.client_secret:
        yield problem("secret", "OIDC_CLIENT_SECRET is not set.", f"Copy it from Clients → {setup.client_id} → Credentials.")
        return
    answer = _redeem(realm, setup.client_secret)
    error = answer.says("error")
    if error == "invalid_grant":
        yield from _only_with_the_secret(realm)
    elif error == "unauthorized_client" and setup.is_keycloak:
        yield problem(
            "secret",
            f"It knows the client {setup.client_id!r} and refuses its secret{_quoted(answer)}.",
            f"Copy the client secret from Clients → {setup.client_id} → Credentials to OIDC_CLIENT_SECRET.",
        )
    elif error in {"invalid_client", "unauthorized_client"} or answer.status == 401:
        yield problem(
            "secret",
            f"It refuses the client {setup.client_id!r}{_quoted(answer)}.",
            "Is there a client with this ID under Clients, is it enabled, and is OIDC_CLIENT_SECRET what its tab Credentials shows?",
        )
    else:
        yield unknown(
            "secret", f"Its token endpoint answered {answer.status}{_quoted(answer)}: nothing could be learnt of the secret."
        )


def _only_with_the_secret(realm: Realm) -> Iterator[Finding]:
    client = realm.setup.client_id
    if _redeem(realm, nobody()).says("error") == "invalid_grant":
        yield problem(
            "secret",
            f"It accepts the client {client!r} with any secret: the client is public.",
            f"Switch on “Client authentication” under Clients → {client} → Settings → Capability config, and set OIDC_CLIENT_SECRET.",
        )
    elif realm.setup.client_secret == UNFILLED or _redeem(realm, UNFILLED).says("error") == "invalid_grant":
        yield problem(
            "secret",
            "The client's secret is the placeholder of deploy/keycloak/cml-realm.json, which everybody knows.",
            f"The realm was imported without OIDC_CLIENT_SECRET. Regenerate it under Clients → {client} → Credentials, and set it here.",
        )
    else:
        yield ok("secret", f"It knows the client {client!r} and its secret.")


def _redeem(realm: Realm, secret: str) -> Answer:
    form = {
        "grant_type": "authorization_code",
        "code": nobody(),
        "client_id": realm.setup.client_id,
        "client_secret": secret,
        "redirect_uri": realm.setup.address(realm.setup.callback_path) or realm.setup.callback_path,
        "code_verifier": secrets.token_urlsafe(48),
    }
    return realm.provider.post(realm.endpoint("token_endpoint"), form)


def sign_in(realm: Realm) -> Iterator[Finding]:
    """Whether the authorisation endpoint takes the portal's request, and only it."""
    callback = realm.setup.address(realm.setup.callback_path)
    client = realm.setup.client_id
    if not callback:
        advice = "Set PORTAL_URL to the address under which people open the portal, or give --portal-url."
        yield unknown(
            "redirect", "Whether codes may be sent to the portal could not be asked: its address is not known.", advice
        )
        return
    answer = _authorize(realm, callback)
    if answer.status in {200, 302, 303} and not _error(answer):
        yield ok("redirect", f"It shows its sign-in page, and sends people back to {callback}.")
        yield from _nowhere_else(realm, callback)
        yield from _only_with_pkce(realm, callback)
        yield from _only_codes(realm, callback)
    elif _error(answer):
        yield problem(
            "redirect", f"It refuses the portal's request to sign in: {_error(answer)}.", _advice(_error(answer), client)
        )
    else:
        yield problem(
            "redirect",
            f"It answers the portal's request to sign in with an error page ({answer.status}).",
            f"In the console, {_settings_of(realm.setup)}: is the client there and enabled, "
            f"and is exactly {callback} one of its “Valid redirect URIs”? Is the realm itself enabled?",
        )


def _advice(error: str, client: str) -> str:
    if "scope" in error:
        return f"Give the client the scopes of OIDC_SCOPES under Clients → {client} → Client scopes."
    if "unauthorized_client" in error:
        return f"Switch on “Standard flow” under Clients → {client} → Settings → Capability config."
    return f"Look at Clients → {client} → Settings and Advanced; Keycloak's own log says more."


def _nowhere_else(realm: Realm, callback: str) -> Iterator[Finding]:
    elsewhere = f"https://{nobody()}.invalid/"
    if _authorize(realm, elsewhere).status != 400:
        yield problem(
            "redirect_exact",
            "It sends codes to any address: whoever makes somebody click a link gets in as them.",
            f"Under {_settings_of(realm.setup)} → “Valid redirect URIs” leave exactly {callback}.",
        )
    elif _authorize(realm, f"{callback}{nobody()}").status != 400:
        yield warning(
            "redirect_exact",
            "Its redirect URIs end in a wildcard, which lets codes reach more than the one page that needs them.",
            f"Under {_settings_of(realm.setup)} → “Valid redirect URIs” leave exactly {callback}.",
        )
    else:
        yield ok("redirect_exact", "It sends codes nowhere else.")


def _only_with_pkce(realm: Realm, callback: str) -> Iterator[Finding]:
    if _error(_authorize(realm, callback, pkce=False)):
        yield ok("pkce_required", "It insists on PKCE.")
    else:
        yield warning(
            "pkce_required",
            "It accepts sign-in without PKCE, so a stolen code could be used. The portal itself always uses it.",
            f"Choose S256 as “PKCE Method” under {_settings_of(realm.setup)} → Capability config; before Keycloak 26.4 it is under Advanced.",
        )


def _only_codes(realm: Realm, callback: str) -> Iterator[Finding]:
    if _error(_authorize(realm, callback, response_type="token")):
        yield ok("implicit", "It hands out no tokens in addresses.")
    else:
        yield warning(
            "implicit",
            "The implicit flow is on: tokens could end up in browser histories and logs.",
            f"Switch off “Implicit flow” under {_settings_of(realm.setup)} → Capability config.",
        )


def _authorize(realm: Realm, redirect_uri: str, *, pkce: bool = True, response_type: str = "code") -> Answer:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(secrets.token_bytes(32)).digest()).rstrip(b"=").decode()
    parameters = {
        "client_id": realm.setup.client_id,
        "response_type": response_type,
        "scope": realm.setup.scopes,
        "redirect_uri": redirect_uri,
        "state": nobody(),
        "nonce": nobody(),
    }
    if pkce:
        parameters |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    return realm.provider.get(realm.page("authorization_endpoint"), parameters)


def _error(answer: Answer) -> str:
    """OAuth's error that a redirect carries in its query or fragment, with its description; "" when there is none."""
    parts = urlsplit(answer.location)
    carried = parse_qs(parts.query) | parse_qs(parts.fragment)
    return ", ".join(text for name in ("error", "error_description") for text in carried.get(name, []))[:200]


def direct_grants(realm: Realm) -> Iterator[Finding]:
    """Whether a program gets tokens for somebody's password."""
    setup = realm.setup
    form = {"grant_type": "password", "username": nobody(), "password": nobody(), "scope": setup.scopes}
    form |= {"client_id": setup.client_id, "client_secret": setup.client_secret}
    answer = realm.provider.post(realm.endpoint("token_endpoint"), form)
    error = answer.says("error")
    if error in {"unauthorized_client", "unsupported_grant_type"}:
        yield ok("direct_grants", "It gives no tokens for passwords sent by programs.")
    elif error == "invalid_grant":  # the client may ask, and only the person was not found
        yield problem(
            "direct_grants",
            "It gives tokens for passwords sent by programs: guessing needs no browser, and a second factor is not asked.",
            f"Switch off “Direct access grants” under {_settings_of(setup)} → Capability config.",
        )
    else:
        sentence = f"Whether it gives tokens for passwords could not be seen: it answered {answer.status}{_quoted(answer)}."
        yield unknown("direct_grants", sentence)


def sign_out(realm: Realm) -> Iterator[Finding]:
    """Whether people come back to the portal after signing out, and what has to be entered for the back channel."""
    setup = realm.setup
    page, address = realm.page("end_session_endpoint"), setup.address(setup.signed_out_path)
    if not page or not address:
        return
    answer = realm.provider.get(page, {"client_id": setup.client_id, "post_logout_redirect_uri": address})
    if answer.status == 400:
        yield problem(
            "post_logout",
            "Who signs out would end on an error page of Keycloak.",
            f"Add {address} under {_settings_of(setup)} → “Valid post logout redirect URIs”.",
        )
    else:
        yield ok("post_logout", f"Who signs out comes back to {address}.")


def backchannel(realm: Realm) -> Iterator[Finding]:
    """The realm tells nobody where it sends logout tokens."""
    setup = realm.setup
    if realm.document.get("backchannel_logout_supported") is not True:
        return
    address = setup.address(setup.backchannel_path) or f"https://the portal's address{setup.backchannel_path}"
    yield unknown(
        "backchannel_url",
        "Where it tells of people who were signed out cannot be asked from here.",
        f"Under {_settings_of(setup)} → Logout settings “Backchannel logout URL” must be {address}, reachable from Keycloak, and "
        "“Backchannel logout session required” on.",
    )


def _settings_of(setup: Setup) -> str:
    return f"Clients → {setup.client_id} → Settings"


def _quoted(answer: Answer) -> str:
    said = ", ".join(text for text in (answer.says("error"), answer.says("error_description")) if text)
    return f" (“{said[:200]}”)" if said else ""
