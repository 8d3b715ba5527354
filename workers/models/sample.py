"""Usage over time."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models

from workers import choices
from workers.models.constraints import known, percent
from workers.models.worker import Worker


class SampleQuerySet(models.QuerySet["Sample"]):
    """Usage over time."""

    def since(self, workers: list[uuid.UUID], start: datetime) -> SampleQuerySet:
        """Samples of these workers from `start` on, oldest first."""
        return self.filter(worker__in=workers, at__gte=start).order_by("worker_id", "at", "id")


class Sample(models.Model):
    """What a worker used at one moment, as one source told it."""

    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    source = models.CharField(max_length=12, choices=choices.UsageSource)
    cpu = models.FloatField(null=True)
    memory = models.FloatField(null=True)
    disk = models.FloatField(null=True)
    nodes = models.PositiveIntegerField(null=True)
    labs = models.PositiveIntegerField(null=True)

    objects = SampleQuerySet.as_manager()

    class Meta:
        constraints = [
            # A repeated read of the same datapoint is no second sample. Also serves the charts: one worker, in time order.
            models.UniqueConstraint(fields=["worker", "at", "source"], name="sample_once"),
            known("source", choices.UsageSource),
            percent("cpu"),
            percent("memory"),
            percent("disk"),
        ]
        indexes = [models.Index(fields=["at"], name="sample_age")]  # the retention job

    def __str__(self) -> str:
        return f"{self.worker_id} {self.at:%Y-%m-%d %H:%M:%S}"
