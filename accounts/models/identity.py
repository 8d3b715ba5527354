"""Who people are at an OpenID provider, and what it gave us for each of their sessions."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from accounts.models.sign_in import SignIn


class Identity(models.Model):
    """Who somebody is at an OpenID provider. The only link between a person there and a person here: e-mails and names link nobody."""

    issuer = models.CharField(max_length=255, editable=False)  # as in the provider's tokens
    subject = models.CharField(max_length=255, editable=False)  # the provider's own key of the person; never reassigned
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities", editable=False)
    linked_at = models.DateTimeField("linked", editable=False)
    signed_in_at = models.DateTimeField(
        "last sign-in", null=True, editable=False
    )  # NULL: linked by an operator and not used yet

    class Meta:
        verbose_name_plural = "identities"
        ordering = ["issuer", "subject"]
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_is_one_person"),
            models.UniqueConstraint(fields=["user", "issuer"], name="identity_one_for_each_issuer"),
            models.CheckConstraint(condition=~models.Q(issuer="") & ~models.Q(subject=""), name="identity_is_somebody"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class ProviderSession(models.Model):
    """The provider's side of one session of ours, and the tokens for asking about it. It goes with the session."""

    sign_in = models.OneToOneField(
        SignIn, on_delete=models.CASCADE, primary_key=True, related_name="provider_session", editable=False
    )
    id_token_encrypted = models.TextField(editable=False)
    refresh_token_encrypted = models.TextField(blank=True, default="", editable=False)  # "": the provider gave none
    renewed_at = models.DateTimeField(editable=False)  # last time that the provider confirmed the session
    renew_at = models.DateTimeField(editable=False)  # when it is asked again; whoever moves this time does the asking

    def __str__(self) -> str:
        return f"provider's side of {self.sign_in_id}"
