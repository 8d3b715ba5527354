"""What a check found."""

from __future__ import annotations

from django.db import models

from cmlmanager.system.choices import HealthState
from workers.models.constraints import known


class CheckResult(models.Model):
    """The newest finding of one check; the page shows its age. `due_at` NULL: at once, as when somebody asked."""

    name = models.CharField(max_length=64, primary_key=True)
    label = models.CharField(max_length=64)
    group = models.CharField(max_length=32)
    state = models.CharField(max_length=8, choices=HealthState)
    sentence = models.CharField(max_length=500)
    advice = models.CharField(max_length=500, blank=True, default="")
    latency_ms = models.FloatField(null=True, blank=True)  # NULL: nothing was measured
    facts = models.JSONField(default=dict, blank=True)  # words → text, in the order in which they are shown
    memory = models.JSONField(default=dict, blank=True)  # what the check wants to know next time, such as a counter
    checked_at = models.DateTimeField(null=True, blank=True)
    since = models.DateTimeField(null=True, blank=True)  # in this state
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [known("state", HealthState)]

    def __str__(self) -> str:
        return self.label
