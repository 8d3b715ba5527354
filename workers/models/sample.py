"""Usage over time: samples as measured, and what remains of them after some days."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Count, F, Max, Min, Sum

from workers import choices
from workers.models.constraints import known, percent
from workers.models.steps import StepOf
from workers.models.worker import Worker

# What a sample may hold: percentages 0–100 (cpu, memory, disk), running nodes and labs, bytes per second, and 1 for a failed status check.
FIGURES = ("cpu", "memory", "disk", "nodes", "labs", "network_in", "network_out", "checks_failed")


class SampleQuerySet(models.QuerySet["Sample"]):
    """Samples as measured."""

    def since(self, workers: list[uuid.UUID], start: datetime) -> SampleQuerySet:
        """Samples of these workers from `start` on, oldest first."""
        return self.filter(worker__in=workers, at__gte=start).order_by("worker_id", "at", "id")

    def by_step(self, start: datetime, step: timedelta) -> models.QuerySet[Any, Any]:
        """A row per source and `step` since `start`: `step`, `source`, `samples`, and of each figure its _total, _low, _high and _count."""
        figures: dict[str, Any] = {}
        for name in FIGURES:
            figures |= {f"{name}_total": Sum(name), f"{name}_low": Min(name), f"{name}_high": Max(name)}
            figures[f"{name}_count"] = Count(name)
        steps = self.order_by().annotate(step=StepOf("at", start=start, step=step)).values("source", "step")
        return steps.annotate(samples=Count("pk"), **figures)


class Sample(models.Model):
    """What a worker used at one moment, as one source told it. CloudWatch's are means of the five minutes that begin `at`."""

    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    source = models.CharField(max_length=12, choices=choices.UsageSource)
    cpu = models.FloatField(null=True)
    memory = models.FloatField(null=True)
    disk = models.FloatField(null=True)
    nodes = models.PositiveIntegerField(null=True)
    labs = models.PositiveIntegerField(null=True)
    network_in = models.FloatField(null=True)  # bytes per second
    network_out = models.FloatField(null=True)
    checks_failed = models.PositiveSmallIntegerField(null=True)  # 1 when a status check of EC2 failed at any time of the period

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
        indexes = [models.Index(fields=["at"], name="sample_age")]  # the hourly means and the retention job

    def __str__(self) -> str:
        return f"{self.worker_id} {self.at:%Y-%m-%d %H:%M:%S}"


class HourlySampleQuerySet(models.QuerySet["HourlySample"]):
    """Hours."""

    def by_step(self, start: datetime, step: timedelta) -> models.QuerySet[Any, Any]:
        """As `SampleQuerySet.by_step`, of the samples that these hours were made of; steps are whole hours."""
        figures: dict[str, Any] = {}
        for name in FIGURES:
            figures |= {f"{name}_total": Sum(F(name) * F(f"{name}_count")), f"{name}_count": Sum(f"{name}_count")}
            figures |= {f"{name}_low": Min(f"{name}_low"), f"{name}_high": Max(f"{name}_high")}
        steps = self.order_by().annotate(step=StepOf("at", start=start, step=step)).values("source", "step")
        return steps.annotate(samples=Sum("count"), **figures)


class HourlySample(models.Model):
    """What a worker used in the hour that begins `at`: of each figure the mean, the lowest, the highest, and of how many samples.

    `count` is all samples of the hour; a figure's own count is smaller where some samples lacked it.
    """

    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="hourly_samples")
    at = models.DateTimeField()
    source = models.CharField(max_length=12, choices=choices.UsageSource)
    count = models.PositiveSmallIntegerField()
    cpu = models.FloatField(null=True)
    cpu_low = models.FloatField(null=True)
    cpu_high = models.FloatField(null=True)
    cpu_count = models.PositiveSmallIntegerField()
    memory = models.FloatField(null=True)
    memory_low = models.FloatField(null=True)
    memory_high = models.FloatField(null=True)
    memory_count = models.PositiveSmallIntegerField()
    disk = models.FloatField(null=True)
    disk_low = models.FloatField(null=True)
    disk_high = models.FloatField(null=True)
    disk_count = models.PositiveSmallIntegerField()
    nodes = models.FloatField(null=True)
    nodes_low = models.PositiveIntegerField(null=True)
    nodes_high = models.PositiveIntegerField(null=True)
    nodes_count = models.PositiveSmallIntegerField()
    labs = models.FloatField(null=True)
    labs_low = models.PositiveIntegerField(null=True)
    labs_high = models.PositiveIntegerField(null=True)
    labs_count = models.PositiveSmallIntegerField()
    network_in = models.FloatField(null=True)
    network_in_low = models.FloatField(null=True)
    network_in_high = models.FloatField(null=True)
    network_in_count = models.PositiveSmallIntegerField()
    network_out = models.FloatField(null=True)
    network_out_low = models.FloatField(null=True)
    network_out_high = models.FloatField(null=True)
    network_out_count = models.PositiveSmallIntegerField()
    checks_failed = models.FloatField(null=True)
    checks_failed_low = models.PositiveSmallIntegerField(null=True)
    checks_failed_high = models.PositiveSmallIntegerField(null=True)
    checks_failed_count = models.PositiveSmallIntegerField()

    objects = HourlySampleQuerySet.as_manager()

    class Meta:
        constraints = [
            # What the rollup's repetition meets. Also serves the charts: one worker, in time order.
            models.UniqueConstraint(fields=["worker", "at", "source"], name="hourly_sample_once"),
            known("source", choices.UsageSource),
        ]
        indexes = [models.Index(fields=["at"], name="hourly_sample_age")]  # the retention job

    def __str__(self) -> str:
        return f"{self.worker_id} {self.at:%Y-%m-%d %H}:00"


class HistoryMark(models.Model):
    """How far the history is kept; one row. Whoever moves a mark holds the row's lock."""

    rolled_to = models.DateTimeField(null=True)  # every hour that began before this has its means; NULL: none has
    pruned_to = models.DateTimeField(null=True)  # samples before this are gone or going, and count no more; NULL: none are

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="history_mark_is_one")]

    def __str__(self) -> str:
        return f"rolled to {self.rolled_to}, pruned to {self.pruned_to}"
