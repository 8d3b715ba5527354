"""The operators' desk: rows to look at. What changes a worker goes through the services and the pages."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from workers.models import Alert, AlertMute, AlertThreshold, Delivery, Event, NotificationTarget, Operation, RegionCheck, Worker


class ReadOnlyAdmin(admin.ModelAdmin):
    """Look, do not touch: a row changed here would bypass the services and the audit."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "account",
        "region",
        "instance_id",
        "instance_type",
        "machine_state",
        "service_state",
        "license_state",
        "aws_succeeded_at",
    )
    list_filter = ("account", "region", "machine_state", "service_state", "license_state")
    search_fields = ("name", "instance_id", "public_address", "private_address")
    exclude = ("cml_password_encrypted", "tag_text")
    ordering = ("name", "id")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("at", "kind", "worker_name", "actor_kind", "actor_name", "before", "after")
    list_filter = ("kind", "actor_kind")
    search_fields = ("worker_name", "actor_name")
    list_select_related = ("worker", "actor")
    date_hierarchy = "at"
    ordering = ("-at", "-id")


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    list_display = ("asked_at", "kind", "worker_name", "state", "actor_kind", "actor_name", "sentence", "finished_at")
    list_filter = ("kind", "state", "actor_kind")
    search_fields = ("worker_name", "actor_name", "=batch")
    list_select_related = ("worker", "actor")
    date_hierarchy = "asked_at"
    ordering = ("-asked_at", "-id")


@admin.register(RegionCheck)
class RegionCheckAdmin(ReadOnlyAdmin):
    list_display = ("region", "account", "succeeded_at", "failing_since", "error")
    list_filter = ("account",)
    ordering = ("account", "region")


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = (
        "opened_at",
        "kind",
        "severity",
        "worker_name",
        "sentence",
        "acknowledged_name",
        "closed_at",
        "close_reason",
    )
    list_filter = ("kind", "severity", "close_reason", "region")
    search_fields = ("worker_name", "acknowledged_name", "sentence")
    list_select_related = ("worker", "acknowledged_by")
    date_hierarchy = "opened_at"
    ordering = ("-opened_at", "-id")


@admin.register(AlertThreshold)
class AlertThresholdAdmin(ReadOnlyAdmin):
    list_display = ("worker", "kind", "warning", "critical", "minutes")
    list_filter = ("kind",)
    search_fields = ("worker__name",)
    list_select_related = ("worker",)
    ordering = ("worker__name", "kind", "id")


@admin.register(AlertMute)
class AlertMuteAdmin(ReadOnlyAdmin):
    list_display = ("worker", "kind", "until", "reason", "muted_name", "muted_at")
    list_filter = ("kind",)
    search_fields = ("worker__name", "muted_name", "reason")
    list_select_related = ("worker", "muted_by")
    ordering = ("-muted_at", "-id")


@admin.register(NotificationTarget)
class NotificationTargetAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "enabled", "minimum", "failing_since", "failing_reason", "succeeded_at")
    list_filter = ("kind", "enabled", "minimum")
    search_fields = ("name",)
    exclude = ("address_encrypted", "secret_encrypted", "previous_secret_encrypted", "recipients")
    ordering = ("name",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "target", "type", "severity", "title", "state", "attempts", "status", "due_at", "sentence")
    list_filter = ("state", "severity", "type")
    search_fields = ("title", "=event_id")
    list_select_related = ("target",)
    ordering = ("-id",)
