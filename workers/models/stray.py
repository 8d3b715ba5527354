"""Instances that the portal made, or that say so, without a row."""

from __future__ import annotations

from django.db import models

from workers import aws_accounts
from workers.choices import MachineState
from workers.models.constraints import known


class StrayInstance(models.Model):
    """An instance with the portal's tag that no worker stands for: somebody pays for it. Kept by the fleet refresh, offered for adoption."""

    account = models.CharField(max_length=32, blank=True, default="")  # a key of workers.aws_accounts
    region = models.CharField(max_length=32)
    instance_id = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=255, blank=True, default="")
    state = models.CharField(max_length=16, choices=MachineState)
    seen_at = models.DateTimeField()  # when it was first seen without a row

    class Meta:
        constraints = [known("state", MachineState)]
        ordering = ["account", "region", "name", "instance_id"]

    def __str__(self) -> str:
        return self.name or self.instance_id

    @property
    def where(self) -> str:
        """Region, and account if there is more than one."""
        return aws_accounts.in_words(self.account, self.region)

    @property
    def machine(self) -> MachineState:
        return MachineState(self.state)
