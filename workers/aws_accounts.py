"""The AWS accounts in which workers may be: settings.AWS_ACCOUNTS, or the one of the process's own credentials. Read by all but the clients.

A worker keeps the *key* of its account: its name, or "" for the account of the process's own credentials, so that an installation with
one account can be given more without touching a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

DEFAULT_NAME = "default"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
ACCOUNT_ID = re.compile(r"\d{12}")
REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")
# IAM API reference, AssumeRole, RoleArn and ExternalId; a role's name has at most 64 characters, its path 512.
ROLE_ARN = re.compile(r"arn:(aws|aws-cn|aws-us-gov):iam::(\d{12}):role/[\w+=,.@/-]{1,576}")
EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}")


@dataclass(frozen=True, kw_only=True)
class AwsAccount:
    """One account. Without `role_arn` it is that of the process's own credentials; without `account_id` AWS says which that is."""

    name: str
    regions: tuple[str, ...]
    account_id: str = ""
    role_arn: str = ""
    external_id: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """What a worker keeps of it."""
        return self.name if self.role_arn else ""


def configured() -> list[AwsAccount]:
    """The accounts of this installation in their order; those that `problems` complains about are left out."""
    if not settings.AWS_ACCOUNTS:
        return [AwsAccount(name=DEFAULT_NAME, regions=tuple(settings.AWS_REGIONS))]
    return accounts(settings.AWS_ACCOUNTS, settings.AWS_REGIONS)


def accounts(items: Iterable[Any], regions: Iterable[str]) -> list[AwsAccount]:
    """The accounts of settings.AWS_ACCOUNTS; `regions` are those of an account that names none."""
    good = [item for item in items if isinstance(item, Mapping) and not _problems_of(item)]
    return [
        AwsAccount(**{**item, "regions": tuple(item.get("regions") or regions), "account_id": _account_id(item)})
        for item in good
    ]


def several() -> bool:
    """Whether an account needs to be said at all."""
    return len(configured()) > 1


def of_key(key: str) -> AwsAccount | None:
    """The account that a worker keeps as `key`; None for one that is not configured any more."""
    return next((account for account in configured() if account.key == key), None)


def named(name: str) -> AwsAccount | None:
    """The account of this name."""
    return next((account for account in configured() if account.name == name), None)


def key_of(name: str) -> str:
    """What workers keep of the account that is shown as `name`; the other way round than `label`."""
    account = named(name)
    if account is not None:
        return account.key
    return "" if name == DEFAULT_NAME else name


def label(key: str) -> str:
    """The name to show for what a worker keeps; "" where there is only one account, whose name says nothing."""
    known = configured()
    account = next((account for account in known if account.key == key), None)
    if account is None:
        return key or DEFAULT_NAME
    return account.name if len(known) > 1 else ""


def place(key: str, region: str) -> str:
    """Account and region in one word, for ids and for the stream: "eu-central-1", "eu-central-1@training"."""
    return f"{region}@{key}" if key else region


def in_words(key: str, region: str) -> str:
    """Account and region for a sentence: "eu-central-1", "eu-central-1 of training"."""
    name = label(key)
    return f"{region} of {name}" if name else region


def regions() -> list[str]:
    """Every region of any account, in their order."""
    return list(dict.fromkeys(region for account in configured() for region in account.regions))


def problems(items: Any) -> list[str]:
    """What is wrong with settings.AWS_ACCOUNTS, a sentence each."""
    if not isinstance(items, list):
        return ["AWS_ACCOUNTS must be a list of accounts."]
    found: list[str] = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, Mapping):
            found.append(f"Account {number} of AWS_ACCOUNTS is not an object.")
            continue
        found += [f"Account {item.get('name') or number} of AWS_ACCOUNTS: {sentence}." for sentence in _problems_of(item)]
    good = accounts(items, [])
    found += _twice("the name", [account.name for account in good])
    found += _twice("the account", [account.account_id for account in good if account.account_id])
    own = [account.name for account in good if not account.role_arn]
    if len(own) > 1:
        found.append(
            f"AWS_ACCOUNTS: {' and '.join(own)} have no role_arn, but the portal's own credentials belong to one account only."
        )
    return found


_TYPES = {"name": str, "account_id": str, "role_arn": str, "external_id": str, "regions": list}


def _problems_of(item: Mapping[str, Any]) -> list[str]:
    found = [f"{name} is not known; use {', '.join(_TYPES)}" for name in item if name not in _TYPES]
    found += [
        f"{name} must be a {kind.__name__}" for name, kind in _TYPES.items() if name in item and type(item[name]) is not kind
    ]
    return found or [*_naming_problems(item), *_role_problems(item)]


def _naming_problems(item: Mapping[str, Any]) -> list[str]:
    found = []
    if not NAME.fullmatch(item.get("name", "")):
        found.append("its name must be 1 to 32 small letters, digits and hyphens")
    if item.get("account_id") and not ACCOUNT_ID.fullmatch(item["account_id"]):
        found.append("account_id must be 12 digits, in quotes")
    wrong = [region for region in item.get("regions", []) if not isinstance(region, str) or not REGION.fullmatch(region)]
    found += [f"{region!r} is no region; one looks like eu-central-1" for region in wrong]
    if not wrong and len(set(item.get("regions", []))) != len(item.get("regions", [])):
        found.append("regions names one twice")
    return found


def _role_problems(item: Mapping[str, Any]) -> list[str]:
    role_arn, external_id = item.get("role_arn", ""), item.get("external_id", "")
    found = []
    arn = ROLE_ARN.fullmatch(role_arn)
    if role_arn and not arn:
        found.append("role_arn must look like arn:aws:iam::123456789012:role/cml-portal")
    if arn and item.get("account_id") not in (None, "", arn[2]):
        found.append(f"its role_arn is of account {arn[2]}, its account_id is another")
    if external_id and not role_arn:
        found.append("external_id is for a role: give role_arn, or leave it out")
    if external_id and not EXTERNAL_ID.fullmatch(external_id):
        found.append("external_id must be 2 to 1224 letters, digits and + = , . @ : / - _")
    return found


def _account_id(item: Mapping[str, Any]) -> str:
    """The account's number, which a role says too; "" when AWS has to be asked."""
    arn = ROLE_ARN.fullmatch(item.get("role_arn", ""))
    return arn[2] if arn else str(item.get("account_id", ""))


def _twice(what: str, values: list[str]) -> list[str]:
    return [f"AWS_ACCOUNTS has {what} {value} twice." for value in dict.fromkeys(values) if values.count(value) > 1]
