"""People."""

from __future__ import annotations

import zoneinfo
from functools import cached_property

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models

from accounts.roles import Role


def validate_time_zone(value: str) -> None:
    """Raises ValidationError unless `value` is the name of an IANA time zone."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError("Choose a time zone from the list, for example Europe/Madrid.")


class ColourScheme(models.TextChoices):
    SYSTEM = "system", "As the system"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class User(AbstractUser):
    """A person. What they may do comes from their groups (accounts.roles); is_staff opens the Django admin."""

    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    colour_scheme = models.CharField(max_length=8, choices=ColourScheme, default=ColourScheme.SYSTEM)
    must_change_password = models.BooleanField(
        "new password needed",
        default=False,
        help_text="At the next sign-in a new password must be chosen before anything else.",
    )
    is_break_glass = models.BooleanField(
        "break-glass account",
        default=False,
        editable=False,
        help_text="The one local account that is let in when Keycloak does the rest; manage.py create_break_glass_admin makes it.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(condition=models.Q(colour_scheme__in=ColourScheme.values), name="user_colour_scheme_known"),
            models.UniqueConstraint(
                fields=["is_break_glass"], condition=models.Q(is_break_glass=True), name="user_one_break_glass"
            ),
        ]

    @cached_property
    def role(self) -> Role | None:
        """The highest role among this person's groups, or None. A superuser is an administrator. Queries once."""
        if self.is_superuser:
            return Role.ADMIN
        names = set(self.groups.values_list("name", flat=True))
        return next((role for role in reversed(Role) if role.value in names), None)
