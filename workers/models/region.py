"""Regions of AWS."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class RegionCheck(models.Model):
    """When a region of AWS was last asked, and what went wrong: the page's word on whether what it shows can be believed."""

    region = models.CharField(max_length=32, primary_key=True)
    checked_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)  # NULL while it answers
    error = models.CharField(max_length=500, blank=True, default="")  # the sentence for the operator
    discovery_due_at = models.DateTimeField(null=True)  # moved by compare-and-swap by whoever looks for instances to import
    discovered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(failing_since__isnull=True, error="") | Q(failing_since__isnull=False) & ~Q(error=""),
                name="region_error_has_since",
            )
        ]

    def __str__(self) -> str:
        return self.region
