"""Personal API tokens: what a person's programs sign in with."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.roles import Role

NAME_LENGTH = 80


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Tokens."""

    def usable(self, now: datetime) -> ApiTokenQuerySet:
        """Neither revoked nor expired at `now`."""
        return self.filter(revoked_at__isnull=True, expires_at__gt=now)


class ApiToken(models.Model):
    """One token. Of its text only the beginning, which finds it, and a hash are kept; the text is shown once, when it is made.

    It may what its `scope` may, and never more than its person's own role.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens", editable=False)
    name = models.CharField(max_length=NAME_LENGTH, editable=False)
    scope = models.CharField("role", max_length=16, choices=Role, editable=False)
    prefix = models.CharField("begins with", max_length=16, editable=False)
    token_hash = models.CharField(
        max_length=64, editable=False
    )  # SHA-256, hexadecimal: a token is 190 random bits, there is nothing to guess
    created_at = models.DateTimeField("created", editable=False)
    expires_at = models.DateTimeField("expires", editable=False)
    last_used_at = models.DateTimeField("last used", null=True, editable=False)  # exact to a minute; NULL: never
    last_used_from = models.GenericIPAddressField("last used from", null=True, editable=False)  # NULL: never, or not known
    # When a use after revocation was last told to the audit.
    refused_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)  # NULL: not revoked

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["prefix"], name="apitoken_unique_prefix"),
            models.UniqueConstraint(fields=["user", "name"], condition=Q(revoked_at__isnull=True), name="apitoken_unique_name"),
            models.CheckConstraint(condition=Q(scope__in=Role.values), name="apitoken_scope_known"),
            models.CheckConstraint(condition=Q(expires_at__gt=models.F("created_at")), name="apitoken_expires_later"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_usable(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and self.expires_at > now
