"""Whether what the realm signs and offers is what the portal accepts."""

from __future__ import annotations

from collections.abc import Iterator

from accounts.realm.finding import Finding, ok, problem, warning
from accounts.realm.provider import Silent
from accounts.realm.setup import Realm


def signatures(realm: Realm) -> Iterator[Finding]:
    """JWKS and algorithms."""
    accepted = " or ".join(realm.setup.algorithms)
    try:
        answer = realm.provider.get(realm.endpoint("jwks_uri"))
    except Silent as silence:
        yield problem(
            "keys", f"Its keys cannot be read at {realm.endpoint('jwks_uri')}. {silence}", "Let the portal's machine reach it."
        )
        return
    published = answer.document.get("keys") if isinstance(answer.document, dict) else None
    entries = [entry for entry in published if isinstance(entry, dict)] if isinstance(published, list) else []
    signing = {str(entry.get("alg") or entry.get("kty")) for entry in entries if entry.get("use", "sig") == "sig"}
    if not signing & set(realm.setup.algorithms):
        found = ", ".join(sorted(signing)) or "none"
        yield problem(
            "keys",
            f"It publishes no key for {accepted}; its signing keys are for: {found}.",
            "Set OIDC_SIGN_ALGORITHM to one of them, or add a key under Realm settings → Keys → Add providers.",
        )
        return
    yield ok("keys", f"It publishes a key for {accepted}.")
    offered = realm.supported("id_token_signing_alg_values_supported")
    if offered and not offered & set(realm.setup.algorithms):
        yield problem(
            "algorithms", f"It does not sign ID tokens with {accepted}.", "Set OIDC_SIGN_ALGORITHM to what it signs with."
        )


def offers(realm: Realm) -> Iterator[Finding]:
    """PKCE, scopes and claims, as the realm announces them."""
    if "S256" in realm.supported("code_challenge_methods_supported"):
        yield ok("pkce", "It knows PKCE with S256.")
    else:
        yield problem(
            "pkce", "It does not know PKCE with S256, which the portal always uses.", "Update Keycloak: 8 and newer do."
        )
    scopes = realm.supported("scopes_supported")
    if missing := sorted(set(realm.setup.scopes.split()) - scopes) if scopes else []:
        yield problem(
            "scopes",
            f"It does not know the scope {', '.join(missing)} of OIDC_SCOPES: sign-in would be refused.",
            "Create it under Client scopes and give it to the client, or take it out of OIDC_SCOPES.",
        )
    elif scopes:
        yield ok("scopes", f"It knows the scopes {', '.join(realm.setup.scopes.split())}.")
    claims = realm.supported("claims_supported")
    if claims and (lacking := sorted({"sub", "email", "preferred_username"} - claims)):
        yield warning(
            "claims",
            f"It does not announce the claim {', '.join(lacking)}.",
            "Keep the client scopes basic, profile and email.",
        )
