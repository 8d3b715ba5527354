"""People."""

from __future__ import annotations

import zoneinfo
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models

from accounts.roles import Role, capabilities_of


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

    # How this person came, for as long as this object lives: "" with a session, "token:<id>" or "keycloak:<subject>" with a bearer token.
    credential: str = ""
    # With a bearer token: what it may, and not a bit more; None is nothing. Without one it says nothing.
    scope: Role | None = None

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(condition=models.Q(colour_scheme__in=ColourScheme.values), name="user_colour_scheme_known"),
            models.UniqueConstraint(
                fields=["is_break_glass"], condition=models.Q(is_break_glass=True), name="user_one_break_glass"
            ),
        ]

    @cached_property
    def role(self) -> Role | None:
        """The highest role among this person's groups, or None. A superuser is an administrator. Queries once.

        With a bearer token: the token's role.
        """
        if self.credential:
            return self.scope
        if self.is_superuser:
            return Role.ADMIN
        names = set(self.groups.values_list("name", flat=True))
        return next((role for role in reversed(Role) if role.value in names), None)

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Django's answer; with a bearer token that of the table in accounts.roles for the token's role, even for a superuser."""
        if self.credential:
            return self.is_active and perm in self._capabilities
        return super().has_perm(perm, obj)

    async def ahas_perm(self, perm: str, obj: Any = None) -> bool:
        """As has_perm."""
        return self.has_perm(perm, obj) if self.credential else await super().ahas_perm(perm, obj)

    def get_all_permissions(self, obj: Any = None) -> set[str]:
        """As has_perm."""
        if self.credential:
            return set(self._capabilities) if self.is_active and obj is None else set()
        return super().get_all_permissions(obj)

    def has_module_perms(self, app_label: str) -> bool:
        """As has_perm."""
        if self.credential:
            return self.is_active and any(name.startswith(f"{app_label}.") for name in self._capabilities)
        return super().has_module_perms(app_label)

    async def ahas_module_perms(self, app_label: str) -> bool:
        """As has_perm."""
        return self.has_module_perms(app_label) if self.credential else await super().ahas_module_perms(app_label)

    @cached_property
    def _capabilities(self) -> frozenset[str]:
        return frozenset(capabilities_of(self.scope)) if self.scope else frozenset()
