"""Accounts and regions of AWS: the client of each. A place is where workers are: an account's key (workers.aws_accounts) and a region."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings

from workers import aws_accounts
from workers.clients import aws


class Place(NamedTuple):
    """One region of one account. `account` is the key that workers keep, "" for the account of the process's own credentials."""

    account: str
    region: str


def configured() -> list[Place]:
    """Every place of this installation."""
    return [Place(account.key, region) for account in aws_accounts.configured() for region in account.regions]


def client_of(*, region: str, account: str = "", **options: Any) -> aws.AwsClient:
    """This thread's client of a place. Raises AwsError when the account is not configured any more; asks AWS nothing.

    `options` are those of the client, such as its time-outs.
    """
    return aws.client_for(region=region, endpoint_url=settings.AWS_ENDPOINT_URL, **_as_role(account), **options)


def role_of(account: aws_accounts.AwsAccount) -> aws.Role | None:
    """The role to assume for `account`; None where the process's own credentials are of it."""
    return aws.Role(arn=account.role_arn, external_id=account.external_id) if account.role_arn else None


def _as_role(key: str) -> dict[str, aws.Role]:
    found = aws_accounts.of_key(key)
    if found is None:
        what = f"The AWS account {key} is not" if key else "An AWS account of the portal’s own credentials is not"
        how = f"named {key}" if key else "without role_arn"
        raise aws.AwsRejected(
            f"{what} in AWS_ACCOUNTS (any more), so its workers cannot be asked about: add an account {how} there.",
            f"no account {key!r} in AWS_ACCOUNTS",
        )
    role = role_of(found)
    return {"role": role} if role else {}
