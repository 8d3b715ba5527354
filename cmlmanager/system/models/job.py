"""Periodic jobs and their runs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from cmlmanager.system.choices import RunState, Trigger
from workers.models.constraints import known


class Job(models.Model):
    """One entry of the timetable: whether it is paused, how its last run ended, and what it did in all.

    The figures are of all its runs, also of those that left no row of their own. They are some seconds old for jobs that run every few.
    """

    name = models.CharField(max_length=64, primary_key=True)  # the key in CELERY_BEAT_SCHEDULE
    task = models.CharField(max_length=128)
    known_at = models.DateTimeField()
    # The last due time that somebody took, of jobs that run once for each: moved by compare-and-swap.
    slot = models.DateTimeField(null=True, blank=True)

    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    paused_name = models.CharField(max_length=150, blank=True, default="")  # outlives the person
    pause_reason = models.CharField(max_length=200, blank=True, default="")

    # The last run that was not asked for by a person decides whether the job is late.
    ticked_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)  # NULL while it runs
    took_ms = models.FloatField(null=True, blank=True)
    result = models.CharField(max_length=200, blank=True, default="")
    succeeded_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True, default="")

    runs = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)
    skipped = models.PositiveBigIntegerField(default=0)  # while it was paused, or done already for the due time
    total_ms = models.FloatField(default=0)
    longest_ms = models.FloatField(default=0)

    class Meta:
        permissions = [("operate_job", "Can run, pause and resume jobs, and have the system checked")]
        constraints = [
            models.CheckConstraint(
                condition=Q(paused_at__isnull=True, pause_reason="") | Q(paused_at__isnull=False) & ~Q(pause_reason=""),
                name="job_pause_has_reason",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("system-job", args=[self.name])


class JobRunQuerySet(models.QuerySet["JobRun"]):
    """Runs."""

    def in_flight(self) -> JobRunQuerySet:
        return self.filter(state__in=RunState.in_flight())


class JobRun(models.Model):
    """One run of a job, with the lines that it logged.

    Of jobs that run every few seconds only those runs have a row that did something, failed or were slow. `slot` is the due time of a run
    that may happen once for it; NULL for all others.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="job_runs")
    slot = models.DateTimeField(null=True, blank=True)
    trigger = models.CharField(max_length=8, choices=Trigger)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    asked_name = models.CharField(max_length=150, blank=True, default="")  # outlives the person
    task_id = models.CharField(max_length=64, blank=True, default="")
    process = models.CharField(max_length=128, blank=True, default="")  # the Celery worker that ran it
    state = models.CharField(max_length=9, choices=RunState)
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    took_ms = models.FloatField(null=True, blank=True)
    result = models.CharField(max_length=200, blank=True, default="")
    error = models.CharField(max_length=500, blank=True, default="")
    lines = models.JSONField(default=list, blank=True)  # [[ISO time, level, logger, text], …], oldest first
    lines_left_out = models.PositiveIntegerField(default=0)

    objects = JobRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "slot"], name="job_run_once_a_slot"),
            known("state", RunState),
            known("trigger", Trigger),
        ]
        indexes = [
            models.Index(fields=["job", "-id"], name="job_run_newest"),
            models.Index(fields=["asked_at"], name="job_run_age"),
            models.Index(fields=["state"], condition=Q(state__in=["queued", "running"]), name="job_run_in_flight"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}, {self.asked_at:%Y-%m-%d %H:%M:%S}"

    def get_absolute_url(self) -> str:
        return reverse("system-run", args=[self.pk])

    @property
    def look(self) -> RunState:
        return RunState(self.state)

    @property
    def why(self) -> Trigger:
        return Trigger(self.trigger)

    @property
    def shown_lines(self) -> list[dict[str, Any]]:
        """The lines by name: at, level, logger, text."""
        return [dict(zip(("at", "level", "logger", "text"), line, strict=False)) for line in self.lines]
