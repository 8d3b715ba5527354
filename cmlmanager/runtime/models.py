"""What administrators changed, and when periodic jobs last had their turn."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class SettingValue(models.Model):
    """What an administrator set, instead of the environment's default. The row stays when that is taken back: who did, and the version.

    `version` counts the changes: whoever changes a setting names the version that they saw.
    """

    name = models.CharField(max_length=64, primary_key=True)
    value = models.JSONField(null=True, blank=True)  # NULL: the environment's
    version = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField(null=True, blank=True)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    changed_name = models.CharField(max_length=150, blank=True, default="")  # outlives the person

    class Meta:
        verbose_name = "setting"

    def __str__(self) -> str:
        return self.name


class Turn(models.Model):
    """When a job of the whole installation last ran: ticks come often, it runs once an interval, and the interval may change meanwhile."""

    job = models.CharField(max_length=32, primary_key=True)
    taken_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.job} {self.taken_at:%Y-%m-%d %H:%M:%S}"
