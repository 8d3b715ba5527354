"""Let somebody in again who was locked out, from a shell."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.services import local


class Command(BaseCommand):
    """Exits with 0 whether or not there was a lock-out; with 1 when nobody is called so."""

    help = "Forget the failed sign-ins of one local account, so that its owner may try again at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", metavar="USER")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username__iexact=username).first()
        if user is None:
            raise CommandError(f"Nobody is called {username}.")
        if local.unlock(user=user, by=None, detail="manage.py unlock"):
            self.stdout.write(f"{user.get_username()} is unlocked.")
        else:
            self.stdout.write(f"{user.get_username()} was not locked out.")
