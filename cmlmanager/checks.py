"""System checks: missing or contradictory settings are named before the first request, with the variable to change."""

from __future__ import annotations

import re
from email.utils import parseaddr
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from cmlmanager.runtime.registry import BY_NAME
from workers import aws_accounts, finding, provisioning


@register(Tags.security)
def check_secrets_keys(**kwargs: Any) -> list[CheckMessage]:
    """Secrets in the database need at least one good Fernet key."""
    if not settings.SECRETS_KEYS:
        hint = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())' makes one."
        return [Error("SECRETS_KEYS is not set: CML passwords could not be encrypted.", hint=hint, id="cmlmanager.E001")]
    problems: list[CheckMessage] = []
    for number, key in enumerate(settings.SECRETS_KEYS, start=1):
        try:
            Fernet(key)
        except (ValueError, TypeError):
            problems.append(Error(f"Key {number} of SECRETS_KEYS is not a Fernet key.", id="cmlmanager.E002"))
    return problems


@register()
def check_aws(**kwargs: Any) -> list[CheckMessage]:
    """Accounts must be what AWS can have, regions named once each; an endpoint of our own means the sandbox or a test."""
    problems: list[CheckMessage] = []
    accounts = aws_accounts.problems(settings.AWS_ACCOUNTS)
    problems += [Error(sentence, id="cmlmanager.E011") for sentence in accounts]
    if settings.AWS_ACCOUNTS and not accounts:
        problems += [
            Error(f"{account.name} in AWS_ACCOUNTS has no regions, and AWS_REGIONS is empty.", id="cmlmanager.E003")
            for account in aws_accounts.configured()
            if not account.regions
        ]
    elif not settings.AWS_REGIONS:
        problems.append(Error("AWS_REGIONS is empty: name at least one region.", id="cmlmanager.E003"))
    if len(set(settings.AWS_REGIONS)) != len(settings.AWS_REGIONS):
        problems.append(Error("AWS_REGIONS names a region twice.", id="cmlmanager.E004"))
    if settings.SANDBOX and not settings.AWS_ENDPOINT_URL:
        problems.append(
            Error(
                "SANDBOX is on, but AWS_ENDPOINT_URL is not set: the sandbox must not reach the real AWS.", id="cmlmanager.E005"
            )
        )
    return problems


@register()
def check_provisioning(**kwargs: Any) -> list[CheckMessage]:
    """Templates of new workers must be what EC2 accepts, as far as one can tell without asking it."""
    problems: list[CheckMessage] = [
        Error(sentence, id="cmlmanager.E008")
        for sentence in provisioning.problems(
            settings.PROVISIONING, aws_accounts.regions(), [account.name for account in aws_accounts.configured()]
        )
    ]
    if not settings.AMI_OWNERS:
        problems.append(Error("AMI_OWNERS is empty: a name pattern would mean the AMIs of everybody.", id="cmlmanager.E009"))
    return problems


@register()
def check_discovery(**kwargs: Any) -> list[CheckMessage]:
    """Discovery imports without a person: what it looks for must be said rightly."""
    problems: list[CheckMessage] = []
    asked = {finding.By.IMAGE_NAME: settings.DISCOVERY_AMI_NAME, finding.By.TAG: settings.DISCOVERY_TAG}
    for by, value in asked.items():
        try:
            if value:
                finding.question(by, value)
        except ValueError as error:
            name = "DISCOVERY_TAG" if by == finding.By.TAG else "DISCOVERY_AMI_NAME"
            problems.append(Error(f"{name} is {value!r}: {error}", id="cmlmanager.E010"))
    if settings.DISCOVERY and not any(asked.values()):
        message = "DISCOVERY is on, but neither DISCOVERY_AMI_NAME nor DISCOVERY_TAG is set: nothing will be discovered."
        problems.append(Warning(message, id="cmlmanager.W004"))
    if not any(asked.values()) and settings.DISCOVERY_REGIONS:
        message = "DISCOVERY_REGIONS is set, but neither DISCOVERY_AMI_NAME nor DISCOVERY_TAG: nothing will be discovered."
        problems.append(Warning(message, id="cmlmanager.W003"))
    return problems


@register()
def check_notifications(**kwargs: Any) -> list[CheckMessage]:
    """Mail settings that cannot work, and a portal address that would make bad links."""
    problems: list[CheckMessage] = []
    if settings.EMAIL_USE_TLS and settings.EMAIL_USE_SSL:
        problems.append(Error("EMAIL_USE_TLS and EMAIL_USE_SSL are both on: choose one.", id="cmlmanager.E020"))
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    if settings.DEFAULT_FROM_EMAIL and "@" not in sender:
        problems.append(Error("DEFAULT_FROM_EMAIL is no e-mail address.", id="cmlmanager.E021"))
    if settings.EMAIL_HOST and not settings.DEFAULT_FROM_EMAIL:
        problems.append(Warning("EMAIL_HOST is set, but not DEFAULT_FROM_EMAIL: e-mail stays off.", id="cmlmanager.W020"))
    if settings.PORTAL_URL and not re.fullmatch(r"https?://[^\s/?#@]+", settings.PORTAL_URL):
        problems.append(Error("PORTAL_URL is not of the form https://portal.example.com.", id="cmlmanager.E022"))
    return problems


@register(Tags.security)
def check_ways_in(**kwargs: Any) -> list[CheckMessage]:
    """Without Keycloak and without local accounts nobody gets in."""
    if settings.LOCAL_ACCOUNTS == "on" or getattr(settings, "OIDC_ISSUER", None):
        return []
    message = f"LOCAL_ACCOUNTS is {settings.LOCAL_ACCOUNTS} and OIDC_ISSUER is not set: people cannot sign in."
    return [Warning(message, id="cmlmanager.W040")]


@register(Tags.security, deploy=True)
def check_second_factors(**kwargs: Any) -> list[CheckMessage]:
    """A password alone should not open an administrator's account."""
    if settings.MFA_REQUIRED_FOR_ADMINS or settings.LOCAL_ACCOUNTS == "off":
        return []
    message = "MFA_REQUIRED_FOR_ADMINS is off: a password alone opens an administrator's local account."
    return [Warning(message, id="cmlmanager.W041")]


@register()
def check_fixed_settings(**kwargs: Any) -> list[CheckMessage]:
    """SETTINGS_FIXED names settings of the settings page."""
    unknown = [name for name in settings.SETTINGS_FIXED if name not in {*BY_NAME, "*"}]
    if not unknown:
        return []
    message = (
        f"SETTINGS_FIXED names {', '.join(unknown)}, which is no setting of the settings page; use {', '.join(BY_NAME)}, or *."
    )
    return [Error(message, id="cmlmanager.E024")]


@register()
def check_intervals(**kwargs: Any) -> list[CheckMessage]:
    """A slower state refresh than CML refresh would show CML's word about machines that are gone."""
    if settings.STATE_INTERVAL > settings.CML_INTERVAL:
        message = "STATE_INTERVAL is longer than CML_INTERVAL: machine states will be older than CML's."
        return [Warning(message, id="cmlmanager.W001")]
    return []


@register()
def check_disk_lines(**kwargs: Any) -> list[CheckMessage]:
    """A disk that is failing has been warned of before."""
    if settings.DISK_FREE_FAILING > settings.DISK_FREE_WARNING:
        message = "DISK_FREE_FAILING is above DISK_FREE_WARNING: a filling disk would be failing before anybody was warned."
        return [Warning(message, id="cmlmanager.W030")]
    return []


@register()
def check_sessions(**kwargs: Any) -> list[CheckMessage]:
    """A warning that is there from the beginning warns of nothing, and an idle limit beyond the age of a session never comes."""
    problems: list[CheckMessage] = []
    shortest = min(settings.SESSION_COOKIE_AGE, settings.SESSION_IDLE_SECONDS or settings.SESSION_COOKIE_AGE)
    if shortest < settings.SESSION_WARNING_SECONDS * 2:
        message = "SESSION_WARNING_MINUTES is more than half of a session: people would be warned most of the time."
        problems.append(Warning(message, id="cmlmanager.W032"))
    if settings.SESSION_IDLE_SECONDS > settings.SESSION_COOKIE_AGE:
        message = "SESSION_IDLE_MINUTES is longer than SESSION_HOURS: sessions end before."
        problems.append(Warning(message, id="cmlmanager.W033"))
    return problems


@register(Tags.security, deploy=True)
def check_production(**kwargs: Any) -> list[CheckMessage]:
    """What Django's own deployment checks do not know."""
    problems: list[CheckMessage] = []
    if settings.SANDBOX:
        problems.append(Error("SANDBOX is on: its people have published passwords. Unset it.", id="cmlmanager.E006"))
    if not settings.ALLOWED_HOSTS:
        problems.append(Error("ALLOWED_HOSTS is empty: no request would be answered.", id="cmlmanager.E007"))
    if settings.NOTIFY_LOOPBACK:
        problems.append(Error("NOTIFY_LOOPBACK is on: webhooks could reach services of this machine.", id="cmlmanager.E023"))
    if settings.CML_TLS_POLICY == "off":
        message = "CML_TLS_POLICY is off: CML's certificates are not checked, passwords could be read on the way. Pin them per worker."
        problems.append(Warning(message, id="cmlmanager.W002"))
    return problems
