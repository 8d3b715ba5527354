"""Sessions of people: one row for each browser that somebody is signed in with."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.choices import SignInMethod

# Longer ones are cut: they are shown in words.
USER_AGENT_LENGTH = 300


class SignInQuerySet(models.QuerySet["SignIn"]):
    """Sessions."""

    def alive(self, now: datetime) -> SignInQuerySet:
        """Those that are not over at `now`: neither too long without a sign of their person, nor too old, nor too long unconfirmed by
        the provider that they come from.
        """
        alive = Q(started_at__gt=now - timedelta(seconds=settings.SESSION_COOKIE_AGE))
        if settings.SESSION_IDLE_SECONDS:
            alive &= Q(last_seen_at__gt=now - timedelta(seconds=settings.SESSION_IDLE_SECONDS))
        unconfirmed = timedelta(minutes=settings.OIDC_RENEW_MINUTES + settings.OIDC_GRACE_MINUTES)
        alive &= Q(provider_session=None) | Q(provider_session__renewed_at__gt=now - unconfirmed)
        return self.filter(alive)

    def over(self, now: datetime) -> SignInQuerySet:
        """Those that are."""
        return self.exclude(pk__in=self.alive(now).values("pk"))


class SignIn(models.Model):
    """One session. It lives as long as this row: the session itself holds the row's id, and without the row it is nobody's.

    The key of the session is not kept here: who reads this table cannot become anybody.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins", editable=False)
    method = models.CharField(max_length=16, choices=SignInMethod, editable=False)
    # Of Keycloak: whose session of which issuer this is; "" for local accounts.
    issuer = models.CharField(max_length=500, blank=True, default="", editable=False)
    subject = models.CharField(max_length=255, blank=True, default="", editable=False)
    sid = models.CharField("session at the issuer", max_length=255, blank=True, default="", editable=False)
    started_at = models.DateTimeField("started", editable=False)
    # What the person did last, exact to a minute; what their open pages ask by themselves does not count.
    last_seen_at = models.DateTimeField("last seen", editable=False)
    address = models.GenericIPAddressField(null=True, editable=False)  # NULL: the server does not know it
    user_agent = models.CharField("browser", max_length=USER_AGENT_LENGTH, blank=True, default="", editable=False)

    objects = SignInQuerySet.as_manager()

    class Meta:
        verbose_name = "session"
        ordering = ["-last_seen_at", "-started_at"]
        constraints = [
            models.CheckConstraint(condition=Q(method__in=SignInMethod.values), name="signin_method_known"),
            models.CheckConstraint(condition=Q(last_seen_at__gte=models.F("started_at")), name="signin_seen_after_start"),
        ]
        indexes = [
            models.Index(fields=["issuer", "sid"], name="signin_issuer_sid"),
            models.Index(fields=["issuer", "subject"], name="signin_issuer_subject"),
            models.Index(fields=["last_seen_at"], name="signin_last_seen"),
        ]

    def __str__(self) -> str:
        return f"session of {self.user}"

    @property
    def limit_at(self) -> datetime:
        """When it is over whatever happens."""
        return self.started_at + timedelta(seconds=settings.SESSION_COOKIE_AGE)

    @property
    def ends_at(self) -> datetime:
        """When it is over unless its person does something before."""
        if not settings.SESSION_IDLE_SECONDS:
            return self.limit_at
        return min(self.limit_at, self.last_seen_at + timedelta(seconds=settings.SESSION_IDLE_SECONDS))

    def time_left(self, now: datetime) -> dict[str, int]:
        """Whole seconds until it is over: unless its person does something (`ends_in`), and whatever they do (`limit_in`)."""
        return {
            "ends_in": max(0, int((self.ends_at - now).total_seconds())),
            "limit_in": max(0, int((self.limit_at - now).total_seconds())),
        }
