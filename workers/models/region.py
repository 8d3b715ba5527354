"""Regions of AWS accounts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from workers import aws_accounts


class RegionCheck(models.Model):
    """When a region of an account was last asked, and what went wrong: the page's word on whether what it shows can be believed."""

    account = models.CharField(max_length=32, blank=True, default="")  # a key of workers.aws_accounts
    region = models.CharField(max_length=32)
    checked_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)  # NULL while it answers
    error = models.CharField(max_length=500, blank=True, default="")  # the sentence for the operator
    discovery_due_at = models.DateTimeField(null=True)  # moved by compare-and-swap by whoever looks for instances to import
    discovered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "region"], name="region_of_account_unique"),
            models.CheckConstraint(
                condition=Q(failing_since__isnull=True, error="") | Q(failing_since__isnull=False) & ~Q(error=""),
                name="region_error_has_since",
            ),
        ]

    def __str__(self) -> str:
        return aws_accounts.in_words(self.account, self.region)

    @property
    def place(self) -> str:
        """Account and region in one word, for ids."""
        return aws_accounts.place(self.account, self.region)
