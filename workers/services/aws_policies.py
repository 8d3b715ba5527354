"""The IAM policies that an installation needs, filled with its accounts and regions, to be pasted into IAM."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings

from workers import aws_accounts
from workers.aws_accounts import AwsAccount
from workers.clients import aws
from workers.clients.aws import policies
from workers.finding import OUR_TAG
from workers.services import rights

# Where AWS cannot be asked yet: who sets the portal up wants the policy before there are credentials.
UNKNOWN_ACCOUNT = "ACCOUNT_ID"
UNKNOWN_IDENTITY = "arn:aws:iam::ACCOUNT_ID:role/THE_PORTAL"
_ASSUMED = re.compile(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([^/]+)/.*")


def own_identity() -> aws.Identity | None:
    """Whose the process's own credentials are; None when AWS cannot be asked."""
    account = aws_accounts.of_key("") or aws_accounts.configured()[0]
    try:
        return aws.client_for(region=account.regions[0], endpoint_url=settings.AWS_ENDPOINT_URL, **rights.TIMEOUTS).identity()
    except aws.AwsError:
        return None


def policy_of(account: AwsAccount, *, identity: aws.Identity | None, other_tag: str = "") -> dict[str, Any]:
    """The policy for whoever works in `account`: its role, or the process's own identity, which may assume the roles of the others too.

    `identity` is the process's own, for its account's number; `other_tag` is what imported instances carry.
    """
    number = account.account_id or (identity.account_id if identity and not account.role_arn else UNKNOWN_ACCOUNT)
    document = policies.policy(
        account_id=number,
        regions=account.regions,
        own_tag=OUR_TAG,
        other_tag=other_tag,
        partition=_partition(account.regions[0]),
    )
    roles = [one.role_arn for one in aws_accounts.configured() if one.role_arn]
    if roles and not account.role_arn:
        document["Statement"] += policies.assuming(roles)["Statement"]
    return document


def trust_of(account: AwsAccount, *, identity: aws.Identity | None) -> dict[str, Any]:
    """The trust policy of the account's role: it may be assumed by the portal's own identity, with the external id."""
    principal = _principal(identity.arn) if identity else UNKNOWN_IDENTITY
    return policies.trust(principal_arn=principal, external_id=account.external_id)


def assuming_only() -> dict[str, Any]:
    """What the process's own identity needs where it works in other accounts only."""
    return policies.assuming([one.role_arn for one in aws_accounts.configured() if one.role_arn])


def _principal(arn: str) -> str:
    """The role itself for a session of it: sessions come and go. Its path is not in a session's name."""
    found = _ASSUMED.fullmatch(arn)
    return f"arn:{found[1]}:iam::{found[2]}:role/{found[3]}" if found else arn


def _partition(region: str) -> str:
    """IAM User Guide, "Amazon Resource Names": AWS's partitions."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
