"""Ask the realm whether sign-in can work, from a shell."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.realm import report
from accounts.realm.finding import Finding, State, worst
from accounts.realm.setup import from_settings

PROBLEMS, NOT_CONFIGURED = 1, 2
_WORDS = {State.OK: "ok", State.UNKNOWN: "unknown", State.WARNING: "warning", State.PROBLEM: "PROBLEM"}


class Command(BaseCommand):
    """Asks, and changes nothing: a few refused sign-ins appear in Keycloak's log under the client's name."""

    help = (
        "Say what is wrong with the Keycloak realm of OIDC_ISSUER, and what to do about it. "
        f"Exit status: 0 nothing, {PROBLEMS} problems, {NOT_CONFIGURED} OIDC_ISSUER is not set."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="answer in JSON")
        parser.add_argument(
            "--token", action="store_true", help="read an access token from standard input and say what it is worth here"
        )
        parser.add_argument("--portal-url", default="", help="the portal's address, when PORTAL_URL does not say it")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.OIDC_ISSUER:
            if options["json"]:
                self.stdout.write(json.dumps({"issuer": "", "state": "not configured", "findings": []}, indent=2))
            raise CommandError(
                "OIDC_ISSUER is not set, so nobody signs in with Keycloak. docs/keycloak.md says what to set.",
                returncode=NOT_CONFIGURED,
            )
        token = sys.stdin.read().strip() if options["token"] else ""
        if options["token"] and not token:
            raise CommandError("--token reads an access token from standard input, and there was none.")
        findings = report.check(from_settings(options["portal_url"]), now=timezone.now(), token=token)
        if options["json"]:
            document = {
                "issuer": settings.OIDC_ISSUER,
                "state": worst(findings),
                "findings": [asdict(found) for found in findings],
            }
            self.stdout.write(json.dumps(document, indent=2))
        else:
            self._say(findings)
        problems = sum(found.state is State.PROBLEM for found in findings)
        if problems:
            raise CommandError(
                f"{problems} problem{'s' if problems > 1 else ''} with {settings.OIDC_ISSUER}.", returncode=PROBLEMS
            )

    def _say(self, findings: list[Finding]) -> None:
        self.stdout.write(f"{settings.OIDC_ISSUER}\n")
        for found in findings:
            self.stdout.write(f"  {_WORDS[found.state]:<8} {found.sentence}")
            if found.advice:
                self.stdout.write(f"           → {found.advice}")
