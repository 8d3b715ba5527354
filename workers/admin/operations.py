"""What was asked for."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from workers.admin.base import ReadOnlyAdmin, badge
from workers.models import Operation


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    list_display = (
        "asked_at",
        "kind",
        "worker_name",
        "subject_name",
        "outcome",
        "actor_kind",
        "actor_name",
        "sentence",
        "attempts",
        "finished_at",
    )
    list_filter = ("state", "kind", "actor_kind", "worker__region")
    search_fields = ("worker_name", "subject_name", "actor_name", "=batch", "=id")
    search_help_text = "Worker, lab, person, or the id of an operation or a batch"
    list_select_related = ("worker", "actor")
    date_hierarchy = "asked_at"
    ordering = ("-asked_at", "-id")

    @admin.display(description="State", ordering="state")
    def outcome(self, operation: Operation) -> SafeString:
        return badge(str(operation.look.label), operation.look.look)
