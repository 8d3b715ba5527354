"""Jobs, runs and findings on the operators' desk: rows to look at. What is done to a job is done on its page, through the services."""

from __future__ import annotations

from django.contrib import admin

from cmlmanager.system.models import CheckResult, Job, JobRun, Process
from workers.admin import ReadOnlyAdmin


@admin.register(CheckResult)
class CheckResultAdmin(ReadOnlyAdmin):
    list_display = ("label", "group", "state", "sentence", "latency_ms", "since", "checked_at")
    list_filter = ("state", "group")
    search_fields = ("label", "sentence")
    exclude = ("memory",)
    ordering = ("group", "label")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "task",
        "started_at",
        "took_ms",
        "result",
        "failing_since",
        "paused_at",
        "pause_reason",
        "runs",
        "failures",
    )
    list_filter = (("paused_at", admin.EmptyFieldListFilter), ("failing_since", admin.EmptyFieldListFilter))
    search_fields = ("name", "task")
    list_select_related = ("paused_by",)
    ordering = ("name",)


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    list_display = ("asked_at", "job", "state", "trigger", "asked_name", "took_ms", "result", "error")
    list_filter = ("state", "trigger", "job")
    search_fields = ("=task_id", "error", "asked_name")
    list_select_related = ("job", "asked_by")
    date_hierarchy = "asked_at"
    ordering = ("-id",)


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "started_at", "seen_at")
    list_filter = ("kind",)
    search_fields = ("name",)
    ordering = ("kind", "name")
