"""Re-encrypt every stored secret with the newest key, from a shell."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.checks import Error
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from cmlmanager.checks import check_secrets_keys
from workers.services import rotation

UNREADABLE = 3
TELL_EVERY = 2.0  # seconds between lines of progress


class Command(BaseCommand):
    """Exits with 0 when every secret is under the newest key: then the older ones may be removed from SECRETS_KEYS."""

    help = (
        "Re-encrypt every stored secret with the first key of SECRETS_KEYS. Put the new key in front, restart the portal, run this, then "
        f"remove the old key. Exit status: 0 all are under the newest key, 1 wrong settings, {UNREADABLE} some cannot be decrypted."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be re-encrypted, and change nothing")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if wrong := [check for check in check_secrets_keys() if isinstance(check, Error)]:
            raise CommandError(" ".join(str(check.msg) for check in wrong))
        result = rotation.rotate_secrets(
            now=timezone.now(), dry_run=options["dry_run"], progress=_Progress(rotation.count_secrets()).tell
        )
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(result, dry_run=options["dry_run"]), indent=2))
        else:
            self._say(result, dry_run=options["dry_run"])
        if result.unreadable:
            many = len(result.unreadable)
            raise CommandError(
                f"{many} secret{'s' if many > 1 else ''} cannot be decrypted with any key of SECRETS_KEYS: "
                "add the key that they were encrypted with, or enter them again. Remove no key before.",
                returncode=UNREADABLE,
            )

    def _say(self, result: rotation.Rotation, *, dry_run: bool) -> None:
        for name in result.unreadable:
            self.stdout.write(f"Cannot be decrypted: {name}")
        verb = "would be re-encrypted" if dry_run else "re-encrypted"
        self.stdout.write(f"{result.rotated} {verb}, {result.current} under the newest key already.")
        if result.changed:
            self.stdout.write(f"{result.changed} changed meanwhile by somebody else and left as they are.")


class _Progress:
    """Lines on stderr when it takes long, and none when it does not."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._told = time.monotonic()

    def tell(self, so_far: rotation.Rotation) -> None:
        """After a batch."""
        if time.monotonic() - self._told >= TELL_EVERY:
            self._told = time.monotonic()
            sys.stderr.write(f"{so_far.seen} of {self._total} secrets…\n")


def _as_json(result: rotation.Rotation, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "rotated": result.rotated,
        "current": result.current,
        "changed_meanwhile": result.changed,
        "unreadable": result.unreadable,
    }
