"""The operators' desk: rows to look at. What changes a lab goes through the services and the pages."""

from __future__ import annotations

from django.contrib import admin

from labs.models import Lab, LabsCheck, LabVersion
from workers.admin import ReadOnlyAdmin


@admin.register(Lab)
class LabAdmin(ReadOnlyAdmin):
    list_display = ("title", "worker_name", "state", "owner_username", "node_count", "nodes_running", "last_seen_at", "gone_at")
    list_filter = ("state", ("gone_at", admin.EmptyFieldListFilter), "worker__region")
    search_fields = ("title", "owner_username", "worker_name", "=cml_id")
    list_select_related = ("worker",)
    exclude = ("node_definitions", "digest")
    ordering = ("title", "id")


@admin.register(LabVersion)
class LabVersionAdmin(ReadOnlyAdmin):
    list_display = ("at", "title", "why", "actor_kind", "actor_name", "content", "with_configurations", "pinned", "cml_version")
    list_filter = ("why", "actor_kind", "with_configurations", "pinned")
    search_fields = ("title", "lab__title", "actor_name", "=content__sha256")
    list_select_related = ("lab", "content", "actor")
    date_hierarchy = "at"
    ordering = ("-at", "-id")


@admin.register(LabsCheck)
class LabsCheckAdmin(ReadOnlyAdmin):
    list_display = ("worker", "failing_since", "error")
    search_fields = ("worker__name", "error")
    list_select_related = ("worker",)
    ordering = ("worker__name",)
