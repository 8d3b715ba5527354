"""Make the break-glass administrator, from a shell."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from accounts.choices import LocalAccounts
from accounts.local import policy
from accounts.services import local


class Command(BaseCommand):
    """Says the password once, unless it was given. Exits with 1 and a sentence when the account could not be made."""

    help = (
        "Make the one local administrator who may sign in while Keycloak does the rest, and say its password once. Keep it sealed; "
        "docs/accounts.md says how to use it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="break-glass", help="default: %(default)s")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input instead of making one up"
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="give the break-glass account that there is a new password, and remove its second factors",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else ""
        if options["password_stdin"] and not password:
            raise CommandError("There is no password on standard input.")
        try:
            user, said = local.make_break_glass(username=options["username"], password=password, replace=options["replace"])
        except local.UnableToMake as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"User name: {user.get_username()}")
        if not password:
            self.stdout.write(f"Password: {said}")
        self.stdout.write(f"Address: {settings.PORTAL_URL}{reverse('break_glass')}")
        if policy.mode() == LocalAccounts.OFF:
            self.stderr.write("LOCAL_ACCOUNTS is off: the account can be used once it is break-glass.")
        elif policy.mode() == LocalAccounts.ON:
            self.stdout.write("LOCAL_ACCOUNTS is on: the account signs in on the ordinary page until it is break-glass.")
        if settings.MFA_REQUIRED_FOR_ADMINS:
            self.stdout.write("Sign in now once: the first sign-in asks for a second factor.")
