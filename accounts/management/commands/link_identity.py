"""Link an account to a person of the OpenID provider by hand: the only way besides the person's first sign-in."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Identity, User
from accounts.services import sessions


class Command(BaseCommand):
    """From a shell alone: whoever may link identities may become anybody."""

    help = (
        "Link the account USERNAME to the person with this subject (Keycloak: the user's ID) at OIDC_ISSUER, so that they sign in with it. "
        "--unlink takes the link away, and ends the sessions that came with it. Their role comes from the provider at the next sign-in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--subject", help="the provider's key of the person")
        what.add_argument("--unlink", action="store_true", help="take the link away")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.OIDC_ISSUER:
            raise CommandError("OIDC_ISSUER is not set: there is no provider to link to.")
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no account {options['username']}.")
        if options["unlink"]:
            self._unlink(user)
        else:
            self._link(user, options["subject"])

    def _link(self, user: User, subject: str) -> None:
        try:
            with transaction.atomic():
                Identity.objects.create(issuer=settings.OIDC_ISSUER, subject=subject, user=user, linked_at=timezone.now())
        except IntegrityError:
            raise CommandError(
                f"Nothing was linked: {user.get_username()} has an identity at {settings.OIDC_ISSUER} already, or this subject "
                "belongs to another account, or it is empty. Take the other link away with --unlink first."
            ) from None
        self.stdout.write(f"{user.get_username()} is {subject} at {settings.OIDC_ISSUER} from now on.")

    def _unlink(self, user: User) -> None:
        count, _ = Identity.objects.filter(user=user, issuer=settings.OIDC_ISSUER).delete()
        if not count:
            raise CommandError(f"{user.get_username()} has no identity at {settings.OIDC_ISSUER}.")
        ended = sessions.end_sessions(user=user, issuer=settings.OIDC_ISSUER, now=timezone.now())
        self.stdout.write(f"{user.get_username()} is nobody at {settings.OIDC_ISSUER} any more; {ended} sessions were ended.")
