"""Import instances of EC2 as workers, from a shell."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from workers import aws_accounts, finding
from workers.aws_accounts import AwsAccount
from workers.choices import ActorKind
from workers.services import importing
from workers.services.operations.asking import Asker
from workers.services.record import Actor

NOTHING_FOUND, ASK_ALL, AWS_FAILED = 3, 4, 5


class Command(BaseCommand):
    """Looks first, then imports. Exits with 0 when what was asked for is so, also when all was known before."""

    help = (
        "Import EC2 instances as workers. Exit status: 0 done or known already, 1 or 2 wrong arguments, "
        f"{NOTHING_FOUND} nothing found, {ASK_ALL} several found but not --all, {AWS_FAILED} AWS did not answer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--region", required=True, help="one of AWS_REGIONS, or of the account's")
        parser.add_argument("--account", default="", help="a name in AWS_ACCOUNTS; needed where there are several")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--instance-id", help="this instance")
        which.add_argument("--ami-id", help="instances launched from this AMI")
        which.add_argument("--ami-name", help="instances launched from AMIs whose name matches; * and ? are wildcards")
        which.add_argument(
            "--tag", help="instances with this tag, key or key=value; without any of these: the portal's own tag"
        )
        parser.add_argument("--all", action="store_true", help="import all that is found, not only a single one")
        parser.add_argument("--dry-run", action="store_true", help="say what would be imported, and import nothing")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        account, region, question = _asked(options)
        where = {"account": account, "region": region}
        try:
            found = importing.find(**where, question=question)
        except importing.UnableToFind as error:
            raise CommandError(f"{error.sentence} ({error.detail})", returncode=AWS_FAILED) from error
        if not found:
            raise CommandError(
                f"Nothing in {aws_accounts.in_words(account, region)} matches: {finding.in_words(question)}.",
                returncode=NOTHING_FOUND,
            )
        new = [item for item in found if not item["skipped"]]
        result = importing.ImportResult()
        if not options["dry_run"]:
            if len(new) > 1 and not options["all"]:
                sentence = f"{len(new)} instances would be imported. Say --all to import them, --dry-run to see them."
                raise CommandError(sentence, returncode=ASK_ALL)
            by = Asker(actor=Actor(kind=ActorKind.SYSTEM, label="import_workers"))
            result = importing.import_instances(**where, instances=new, by=by, now=timezone.now())
        imported = {worker.instance_id: str(worker.pk) for worker in result.imported}
        lines = [_line(item, result.skipped, imported, dry_run=options["dry_run"]) for item in found]
        self._say(lines, as_json=options["json"], region=region)

    def _say(self, lines: list[dict[str, str]], *, as_json: bool, region: str) -> None:
        if as_json:
            self.stdout.write(json.dumps({"region": region, "instances": lines}, indent=2))
            return
        for line in lines:
            self.stdout.write(f"{line['instance_id']}  {line['state']:<13} {line['name'] or '(no name)'}: {line['outcome']}")
        done = sum(line["outcome"] == "Imported." for line in lines)
        would = sum(line["outcome"] == "Would be imported." for line in lines)
        verb, count = ("would be imported", would) if would else ("imported", done)
        self.stdout.write(f"{count} of {len(lines)} {verb}.")


def _asked(options: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Account, region and question. Raises CommandError for what cannot be meant."""
    account = account_of(options["account"])
    if options["region"] not in account.regions:
        whose = f"the regions of {account.name}" if settings.AWS_ACCOUNTS else "AWS_REGIONS"
        raise CommandError(f"{options['region']} is not one of {whose}: {', '.join(account.regions)}.", returncode=2)
    by = {
        finding.By.INSTANCE: options["instance_id"],
        finding.By.IMAGE: options["ami_id"],
        finding.By.IMAGE_NAME: options["ami_name"],
        finding.By.TAG: options["tag"],
    }
    try:
        for kind, value in by.items():
            if value is not None:
                return account.key, options["region"], finding.question(kind, value)
    except ValueError as error:
        raise CommandError(str(error), returncode=2) from error
    return account.key, options["region"], finding.question(finding.By.OURS, "")


def account_of(name: str) -> AwsAccount:
    """The account of this name, or the only one. Raises CommandError for one that there is not, and for none where there are several."""
    known = aws_accounts.configured()
    names = ", ".join(account.name for account in known)
    if not name and len(known) == 1:
        return known[0]
    found = next((account for account in known if account.name == name), None)
    if found is None:
        problem = f"{name} is not in AWS_ACCOUNTS" if name else "There are several accounts"
        raise CommandError(f"{problem}: say --account and one of {names}.", returncode=2)
    return found


def _line(item: dict[str, Any], skipped: dict[str, str], imported: dict[str, str], *, dry_run: bool) -> dict[str, str]:
    instance_id = item["instance_id"]
    why = item["skipped"] or skipped.get(instance_id, "")
    outcome = why or ("Would be imported." if dry_run else "Imported.")
    facts = {name: item[name] for name in ("instance_id", "name", "state", "instance_type", "image_id")}
    return facts | {"outcome": outcome, "worker_id": imported.get(instance_id, "")}
