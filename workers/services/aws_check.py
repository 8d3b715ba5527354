"""Everything that has to be right between the portal and AWS, asked of AWS itself and told in words. Nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum

from workers.aws_accounts import AwsAccount
from workers.clients import aws
from workers.services import places, rights
from workers.services.rights import RegionTested, Subjects

# AWS refuses signatures that are more than five minutes off (IAM User Guide, "Elements of an AWS API request signature").
REFUSED_FROM = timedelta(minutes=5)
STS_TRIES = 2  # regions: one of them may be off
WARNED_FROM = timedelta(seconds=30)


class Grade(IntEnum):
    """How it is; the higher the worse. These are the exit statuses of `manage.py check_aws`."""

    FINE = 0
    MISSING = 1  # AWS answers, and says no to something
    UNREACHABLE = 2  # AWS does not answer, or the portal has nothing to ask it with


@dataclass(frozen=True, kw_only=True)
class AccountTested:
    """One account. `problems` say what is wrong with credentials, role and clock, and `warnings` what may become so, a sentence each."""

    account: AwsAccount
    grade: Grade
    identity: aws.Identity | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    regions: tuple[RegionTested, ...] = ()

    @property
    def worst(self) -> Grade:
        """Of the account and its regions."""
        return max([self.grade, *(grade_of(region) for region in self.regions)])


def grade_of(region: RegionTested) -> Grade:
    """How it is in a region."""
    if region.error:
        return Grade.MISSING if region.reachable else Grade.UNREACHABLE
    return Grade.MISSING if region.of("denied") else Grade.FINE


def check(accounts: Sequence[AwsAccount], *, region: str = "", given: Subjects | None = None) -> list[AccountTested]:
    """Ask about each account, in all of its regions or in one; `given` is what to make dry runs on. Raises nothing of AWS's."""
    tested = [_account(account, region=region, given=given) for account in accounts]
    numbers = Counter(one.identity.account_id for one in tested if one.identity)
    return [_told_twice(one, numbers) for one in tested]


def _account(account: AwsAccount, *, region: str, given: Subjects | None) -> AccountTested:
    wanted = [region] if region else list(account.regions)
    identity, error = _identity(account, wanted)
    problems: list[str] = []
    warnings: list[str] = []
    if identity is not None:
        problems += _wrong_account(account, identity)
        (problems if abs(identity.ahead) >= REFUSED_FROM else warnings).extend(_clock(identity.ahead))
    elif error is not None and (account.role_arn or not isinstance(error, aws.AwsUnreachable)):
        grade = Grade.MISSING if isinstance(error, aws.AwsDenied) else Grade.UNREACHABLE
        return AccountTested(account=account, grade=grade, problems=(error.sentence,))
    elif error is not None:
        warnings.append(error.sentence)  # a private network may have no way to STS, and needs none without a role
    regions = tuple(rights.look(region=name, account=account.key, given=given) for name in wanted)
    return AccountTested(
        account=account,
        grade=Grade.MISSING if problems else Grade.FINE,
        identity=identity,
        problems=tuple(problems),
        warnings=tuple(warnings),
        regions=regions,
    )


def _identity(account: AwsAccount, regions: Sequence[str]) -> tuple[aws.Identity | None, aws.AwsError | None]:
    """Who AWS takes us for, from the first region that says; else why not, as the first of them says."""
    first: aws.AwsError | None = None
    for region in regions[:STS_TRIES]:
        try:
            return places.client_of(region=region, account=account.key, **rights.TIMEOUTS).identity(), None
        except aws.AwsError as error:
            first = first or error
    return None, first


def _wrong_account(account: AwsAccount, identity: aws.Identity) -> list[str]:
    if account.account_id in ("", identity.account_id):
        return []
    theirs = f"{identity.account_id} ({identity.arn})"
    sentence = f"AWS_ACCOUNTS says that {account.name} is account {account.account_id}, but the credentials are of {theirs}"
    return [f"{sentence}: use other credentials, or correct account_id."]


def _clock(ahead: timedelta) -> list[str]:
    if abs(ahead) < WARNED_FROM:
        return []
    way = "ahead of" if ahead > timedelta() else "behind"
    off = f"This machine’s clock is {abs(ahead).total_seconds():.0f} seconds {way} AWS’s"
    return [f"{off}, which refuses requests from five minutes on: have it set by NTP."]


def _told_twice(one: AccountTested, numbers: Counter[str]) -> AccountTested:
    number = one.identity.account_id if one.identity else ""
    if not number or numbers[number] < 2:
        return one
    sentence = (
        f"Another account of AWS_ACCOUNTS is {number} too: its instances would be offered in both. Keep one of the two entries."
    )
    return replace(one, grade=max(one.grade, Grade.MISSING), problems=(*one.problems, sentence))
