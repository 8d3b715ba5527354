"""Whether the realm is where the settings say, and is the one that they mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from accounts.realm.finding import Finding, ok, problem, unknown, warning
from accounts.realm.provider import Answer, Provider, Silent
from accounts.realm.setup import Realm, Setup

DOCUMENT = "/.well-known/openid-configuration"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# Seconds by which clocks may differ; tokens are refused beyond the first, and people should know from the second on.
REFUSED, NOTICEABLE = 30, 5


def find_realm(setup: Setup, provider: Provider, now: datetime) -> tuple[list[Finding], Realm | None]:
    """What is found out on the way to the realm, and the realm; None when there is no way."""
    findings = list(_the_address(setup))
    public = _read(setup.issuer + DOCUMENT, provider)
    internal = _read(setup.from_here(setup.issuer) + DOCUMENT, provider) if setup.internal_origin else public
    findings.append(_public(setup, provider, public))
    if isinstance(public, Answer) and not _is_description(public):
        return findings, None  # it was reached, and is no realm: the other address has the same
    if setup.internal_origin:
        findings.append(_internal(setup, internal))
    if not isinstance(internal, Answer) or not _is_description(internal):
        return findings, None
    findings.append(_issuer(setup, internal))
    findings.append(_clock(internal, now))
    findings.extend(_endpoints(internal))
    return findings, Realm(setup, provider, internal.document, isinstance(public, Answer))


def _the_address(setup: Setup) -> Iterator[Finding]:
    parts = urlsplit(setup.issuer)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        yield problem(
            "https",
            "OIDC_ISSUER is plain http: passwords and tokens could be read on the way.",
            "Put Keycloak behind TLS and set OIDC_ISSUER to its https address.",
        )
    if setup.issuer.endswith(DOCUMENT):
        yield problem("issuer", "OIDC_ISSUER is the address of the description.", f"Leave out {DOCUMENT}.")
    elif "/realms/" in setup.issuer and setup.issuer.endswith("/"):
        yield problem("issuer", "OIDC_ISSUER ends in a slash, and Keycloak's never does.", "Leave it out.")


def _read(url: str, provider: Provider) -> Answer | str:
    try:
        return provider.get(url)
    except Silent as silence:
        return str(silence)


def _is_description(answer: Answer) -> bool:
    return answer.status == 200 and isinstance(answer.document, dict) and "issuer" in answer.document


def _public(setup: Setup, provider: Provider, public: Answer | str) -> Finding:
    where = setup.issuer
    if isinstance(public, str):
        if setup.internal_origin:
            advice = "Browsers need it. That this machine cannot reach it may be meant; then the rest was asked at OIDC_INTERNAL_URL."
            return warning("discovery", f"{where} cannot be reached from here. {public}", advice)
        advice = "Check OIDC_ISSUER, and that this machine reaches it. If only browsers can, set OIDC_INTERNAL_URL."
        return problem("discovery", f"{where} cannot be reached. {public}", advice)
    if _is_description(public):
        return ok("discovery", f"{where} describes itself.")
    return problem(
        "discovery", f"{where} answers {public.status}, and not with the description of a realm.", _elsewhere(setup, provider)
    )


def _elsewhere(setup: Setup, provider: Provider) -> str:
    """Where the realm probably is."""
    head, sign, realm = setup.issuer.partition("/realms/")
    if not sign:
        return "For Keycloak it looks like https://keycloak.example.com/realms/cml: the part /realms/ and the realm's name are missing."
    guess = f"{head.removesuffix('/auth')}/realms/{realm}" if head.endswith("/auth") else f"{head}/auth/realms/{realm}"
    found = _read(guess.rstrip("/") + DOCUMENT, provider)
    if isinstance(found, Answer) and _is_description(found):
        return f"Set OIDC_ISSUER to {found.says('issuer')}: there it is."
    return f"Is the realm's name {realm!r}, with its capital letters? The console has it under Realm settings."


def _internal(setup: Setup, internal: Answer | str) -> Finding:
    where = setup.from_here(setup.issuer)
    if isinstance(internal, str):
        return problem(
            "internal", f"{where} cannot be reached. {internal}", "Check OIDC_INTERNAL_URL: the portal's own calls go there."
        )
    if not _is_description(internal):
        advice = (
            "OIDC_INTERNAL_URL replaces scheme, host and port of OIDC_ISSUER and nothing else; the path must be the same there."
        )
        return problem("internal", f"{where} answers {internal.status}, and not with the description of a realm.", advice)
    if internal.says("issuer") != setup.issuer and internal.says("issuer").startswith(setup.internal_origin):
        return problem(
            "internal",
            f"Asked at {where}, the realm calls itself {internal.says('issuer')!r}.",
            "Give Keycloak its public address: --hostname=https://… and --hostname-backchannel-dynamic=true, so that it is the same from everywhere.",
        )
    return ok("internal", f"{where} is the same realm.")


def _issuer(setup: Setup, answer: Answer) -> Finding:
    found = answer.says("issuer")
    if found == setup.issuer:
        return ok("issuer", "Its tokens bear OIDC_ISSUER, to the letter.")
    advice = f"Set OIDC_ISSUER={found}, or give Keycloak the address that people use: --hostname=https://…"
    return problem(
        "issuer", f"It calls itself {found!r}, and OIDC_ISSUER is {setup.issuer!r}: every token would be refused.", advice
    )


def _clock(answer: Answer, now: datetime) -> Finding:
    try:
        theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
        off = (theirs - now).total_seconds()
    except (TypeError, ValueError):
        return unknown(
            "clock", "Its answers do not tell the time, so whether its clock agrees could not be seen.", "Keep both on NTP."
        )
    words = f"Its clock is {abs(off):.0f} seconds {'ahead' if off > 0 else 'behind'}"
    if abs(off) > REFUSED:
        return problem("clock", f"{words}: tokens would be refused.", "Set both clocks by NTP.")
    if abs(off) > NOTICEABLE:
        return warning("clock", f"{words}; tokens are refused from {REFUSED} on.", "Set both clocks by NTP.")
    return ok("clock", "Its clock agrees with this machine's.")


def _endpoints(answer: Answer) -> Iterator[Finding]:
    wanted = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
    if missing := [name for name in wanted if not answer.says(name)]:
        yield problem(
            "endpoints", f"Its description lacks {', '.join(missing)}.", "This is no provider that the portal can work with."
        )
    if not answer.says("end_session_endpoint"):
        yield warning(
            "sign_out",
            "It has no address for signing out (end_session_endpoint): who signs out of the portal stays signed in there.",
            "Keycloak has one; is there a proxy in between that changes the description?",
        )
    if answer.document.get("backchannel_logout_supported") is not True:
        yield warning(
            "backchannel",
            "It does not tell applications when somebody is signed out (back-channel logout).",
            "Sessions then end at the next renewal: keep OIDC_RENEW_MINUTES short.",
        )
