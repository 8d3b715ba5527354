"""What happened and what was used. Long lists: never counted in full, never edited."""

from __future__ import annotations

from django.contrib import admin

from workers.admin.base import ReadOnlyAdmin
from workers.models import Event, HistoryMark, HourlySample, Sample


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "kind",
        "worker_name",
        "subject_name",
        "actor_kind",
        "actor_name",
        "before",
        "after",
        "detail",
        "from_address",
    )
    list_filter = ("actor_kind", "kind")
    search_fields = ("worker_name", "subject_name", "actor_name", "=from_address", "=worker__instance_id")
    search_help_text = "Worker, lab, person, address or instance id"
    list_select_related = ("worker", "actor")
    date_hierarchy = "at"
    ordering = ("-at", "-id")


class _SampleAdmin(ReadOnlyAdmin):
    list_filter = ("source", "worker__region")
    search_fields = ("worker__name", "=worker__instance_id")
    list_select_related = ("worker",)
    date_hierarchy = "at"
    ordering = ("-at", "-id")


@admin.register(Sample)
class SampleAdmin(_SampleAdmin):
    list_display = (
        "at",
        "worker",
        "source",
        "cpu",
        "memory",
        "disk",
        "nodes",
        "labs",
        "network_in",
        "network_out",
        "checks_failed",
    )


@admin.register(HourlySample)
class HourlySampleAdmin(_SampleAdmin):
    list_display = ("at", "worker", "source", "count", "cpu", "cpu_high", "memory", "memory_high", "disk", "nodes", "labs")


@admin.register(HistoryMark)
class HistoryMarkAdmin(ReadOnlyAdmin):
    list_display = ("rolled_to", "pruned_to")
    ordering = ("pk",)
