"""People."""

from __future__ import annotations

import uuid
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

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(condition=models.Q(colour_scheme__in=ColourScheme.values), name="user_colour_scheme_known")
        ]

    @cached_property
    def role(self) -> Role | None:
        """The highest role among this person's groups, or None. A superuser is an administrator. Queries once."""
        if self.is_superuser:
            return Role.ADMIN
        names = set(self.groups.values_list("name", flat=True))
        return next((role for role in reversed(Role) if role.value in names), None)


class Identity(models.Model):
    """Who somebody is at an OpenID provider. The only link between a person there and a person here: e-mails and names link nobody."""

    issuer = models.CharField(max_length=255)  # as in the provider's tokens
    subject = models.CharField(max_length=255)  # the provider's own key of the person; never reassigned
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    linked_at = models.DateTimeField()
    signed_in_at = models.DateTimeField()  # last time with this identity

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_is_one_person"),
            models.UniqueConstraint(fields=["user", "issuer"], name="identity_one_for_each_issuer"),
            models.CheckConstraint(condition=~models.Q(issuer="") & ~models.Q(subject=""), name="identity_is_somebody"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class ProviderSession(models.Model):
    """What an OpenID provider gave us for one session of ours; the session holds the key of this row, never the tokens."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="sessions")
    sid = models.CharField(max_length=255, blank=True, default="")  # the provider's key of its session
    id_token_encrypted = models.TextField()
    refresh_token_encrypted = models.TextField(blank=True, default="")
    started_at = models.DateTimeField()
    renewed_at = models.DateTimeField()  # last time the provider confirmed it
    renew_at = models.DateTimeField()  # when it is asked again; whoever moves this time does the asking
    expires_at = models.DateTimeField()  # when our session is over whatever the provider says, and the row can go

    class Meta:
        indexes = [
            models.Index(fields=["identity", "sid"], name="provider_session_by_sid"),
            models.Index(fields=["expires_at"], name="provider_session_expiry"),
        ]

    def __str__(self) -> str:
        return f"session {self.sid or self.pk} of {self.identity_id}"
