"""Make a personal API token at a shell: for programs that are set up without a browser."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.services import tokens

REFUSED, NOBODY = 3, 4


class Command(BaseCommand):
    """Prints the token once; nobody can read it again."""

    help = (
        "Make an API token of a person and print it; it is shown only this once. "
        f"Exit status: 0 made, 1 or 2 wrong arguments, {REFUSED} refused, {NOBODY} no such person."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="username of the person whose token it is")
        parser.add_argument("--name", required=True, help="where the token is used, for example: nightly report")
        parser.add_argument("--role", required=True, choices=Role.values, help="what it may; not above the person's own role")
        parser.add_argument("--days", required=True, type=int, help="for how many days")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"Nobody is called {options['user']} here.", returncode=NOBODY)
        try:
            token, text = tokens.make(
                user,
                name=options["name"],
                scope=Role(options["role"]),
                days=options["days"],
                by=None,
                address=None,
                now=timezone.now(),
            )
        except tokens.UnableToMake as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        if options["json"]:
            about = {"token": text, "name": token.name, "role": token.scope, "expires": token.expires_at.isoformat()}
            self.stdout.write(json.dumps({"user": user.get_username(), **about}, indent=2))
            return
        self.stderr.write(
            f"A token of {user}, {Role(token.scope).label}, until {token.expires_at:%Y-%m-%d %H:%M} UTC. Keep it now:"
        )
        self.stdout.write(text)
