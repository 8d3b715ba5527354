"""Ask AWS whether the portal may do what it does, and print the policy with which it may."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from workers import aws_accounts, provisioning
from workers.aws_accounts import AwsAccount
from workers.services import aws_check, aws_policies
from workers.services.aws_check import AccountTested, Grade
from workers.services.rights import RegionTested, Subjects


class Command(BaseCommand):
    """Changes nothing in AWS: rights are tested by dry runs."""

    help = (
        "Ask AWS, by dry runs, which IAM rights the portal lacks, and check credentials, roles and clock. "
        "Exit status: 0 all is there, 1 something is missing, 2 AWS cannot be reached or the settings are wrong. "
        "With --policy: print the least-privilege policy instead."
    )
    requires_system_checks: list[str] = []  # the settings are looked at here, with an exit status of their own

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", default="", help="only this account of AWS_ACCOUNTS")
        parser.add_argument("--region", default="", help="only this region")
        parser.add_argument("--instance-id", default="", help="make dry runs on this instance; else on a worker of the portal")
        parser.add_argument("--image-id", default="", help="dry-run a launch of this AMI; else of a template’s or a worker’s")
        parser.add_argument("--json", action="store_true", help="answer in JSON")
        parser.add_argument("--policy", action="store_true", help="print the policy, and for roles their trust policy, as JSON")
        parser.add_argument(
            "--tag", default="", help="with --policy: imported instances with this tag, key or key=value, may be changed too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = _chosen(options)
        if options["policy"]:
            self._print_policies(accounts, other_tag=options["tag"])
            return
        given = Subjects(instance_id=options["instance_id"], image_id=options["image_id"])
        tested = aws_check.check(accounts, region=options["region"], given=given)
        worst = max(one.worst for one in tested)
        if options["json"]:
            self.stdout.write(json.dumps(_document(tested, worst), indent=2))
        else:
            self._tell(tested)
        if worst:
            sys.exit(worst.value)

    def _print_policies(self, accounts: list[AwsAccount], *, other_tag: str) -> None:
        identity = aws_policies.own_identity()
        documents: dict[str, Any] = {}
        for account in accounts:
            documents[account.name] = {"policy": aws_policies.policy_of(account, identity=identity, other_tag=other_tag)}
            if account.role_arn:
                documents[account.name]["trust"] = aws_policies.trust_of(account, identity=identity)
        if len(accounts) > 1 and all(account.role_arn for account in accounts):
            documents["the portal’s own identity"] = {"policy": aws_policies.assuming_only()}
        alone = len(accounts) == 1 and not accounts[0].role_arn
        text = json.dumps(documents[accounts[0].name]["policy"] if alone else documents, indent=2, ensure_ascii=False)
        self.stdout.write(text)
        if aws_policies.UNKNOWN_ACCOUNT in text:
            self.stderr.write(
                "AWS cannot be asked whose credentials the portal has: replace ACCOUNT_ID by the number of the account, and in a"
                " trust policy the whole ARN by that of the portal’s identity."
            )

    def _tell(self, tested: list[AccountTested]) -> None:
        for one in tested:
            who = f"{one.identity.account_id}, as {one.identity.arn}" if one.identity else "not known"
            self.stdout.write(f"Account {one.account.name}: {who}")
            for mark, sentences in (("WRONG", one.problems), ("mind", one.warnings)):
                for sentence in sentences:
                    self.stdout.write(f"  {mark:<8} {sentence}")
            for region in one.regions:
                self._tell_region(region)
        denied = sum(len(region.of("denied")) for one in tested for region in one.regions)
        unreached = sum(one.worst == Grade.UNREACHABLE for one in tested)
        untested = sum(len(region.of("untested")) for one in tested for region in one.regions)
        self.stdout.write(_verdict(denied, unreached, untested, any(one.problems for one in tested)))

    def _tell_region(self, region: RegionTested) -> None:
        self.stdout.write(f"  {region.region}")
        if region.error:
            self.stdout.write(f"    {'WRONG':<8} {region.error}")
        for right in region.rights:
            mark = {"denied": "MISSING", "untested": "untested"}.get(right.verdict, "ok")
            said = f" {right.sentence}" if right.sentence else ""
            without = f" Without it nobody can {right.purpose}." if right.verdict == "denied" else ""
            self.stdout.write(f"    {mark:<8} {right.action:<30}{said}{without}".rstrip())


def _verdict(denied: int, unreached: int, untested: int, problems: bool) -> str:
    words = []
    if unreached:
        words.append("AWS could not be asked everything: see above.")
    if denied:
        rights = "1 right is" if denied == 1 else f"{denied} rights are"
        words.append(f"{rights} missing; manage.py check_aws --policy prints a policy that has all.")
    elif not unreached:
        words.append("Something is wrong: see above." if problems else "Nothing is missing.")
    if untested:
        words.append(f"{untested} could not be tested: --instance-id and --image-id give something to try them on.")
    return " ".join(words)


def _chosen(options: dict[str, Any]) -> list[AwsAccount]:
    """The accounts to ask about. Raises CommandError, with the status of what is not configured, for what cannot be meant."""
    wrong = aws_accounts.problems(settings.AWS_ACCOUNTS)
    accounts = [] if wrong else aws_accounts.configured()
    if not wrong and options["account"]:
        accounts = [account for account in accounts if account.name == options["account"]]
        if not accounts:
            names = ", ".join(account.name for account in aws_accounts.configured())
            wrong = [f"{options['account']} is not in AWS_ACCOUNTS; there is {names}."]
    wrong += [f"{one.name} has no regions: set AWS_REGIONS, or regions in AWS_ACCOUNTS." for one in accounts if not one.regions]
    region = options["region"]
    if region and not wrong and not any(region in account.regions for account in accounts):
        named = ", ".join(dict.fromkeys(name for account in accounts for name in account.regions))
        wrong = [f"{region} is not one of the regions: {named}."]
    for pattern, value, example in (
        (provisioning.INSTANCE_ID, options["instance_id"], "i-0123456789abcdef0"),
        (provisioning.IMAGE_ID, options["image_id"], "ami-0123456789abcdef0"),
    ):
        if value and not pattern.fullmatch(value):
            wrong.append(f"{value} is no id; one looks like {example}.")
    if wrong:
        raise CommandError(" ".join(wrong), returncode=Grade.UNREACHABLE.value)
    return [account for account in accounts if not region or region in account.regions]


def _document(tested: list[AccountTested], worst: Grade) -> dict[str, Any]:
    return {"status": worst.value, "accounts": [_account(one) for one in tested]}


def _account(one: AccountTested) -> dict[str, Any]:
    identity = one.identity
    return {
        "name": one.account.name,
        "status": one.worst.value,
        "account_id": identity.account_id if identity else "",
        "arn": identity.arn if identity else "",
        "clock_ahead_seconds": identity.ahead.total_seconds() if identity else None,
        "problems": list(one.problems),
        "warnings": list(one.warnings),
        "regions": [
            {
                "region": region.region,
                "status": aws_check.grade_of(region).value,
                "error": region.error,
                "latency_ms": region.latency_ms,
                "rights": [
                    {"action": right.action, "verdict": right.verdict, "purpose": right.purpose, "sentence": right.sentence}
                    for right in region.rights
                ],
            }
            for region in one.regions
        ],
    }
