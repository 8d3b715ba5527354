"""What is wrong, from which lines on, and what nobody wants to hear."""

from __future__ import annotations

from typing import cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.requests import PersonalRequest
from workers.admin.base import ReadOnlyAdmin, action, badge, counted, say_outcome
from workers.asker import asker
from workers.models import Alert, AlertMute, AlertThreshold
from workers.services.alerts import acknowledging


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = (
        "opened_at",
        "kind",
        "level",
        "worker_name",
        "sentence",
        "acknowledged_name",
        "closed_at",
        "close_reason",
    )
    list_filter = (
        ("closed_at", admin.EmptyFieldListFilter),
        "severity",
        "kind",
        ("acknowledged_at", admin.EmptyFieldListFilter),
        "close_reason",
        "region",
    )
    search_fields = ("worker_name", "acknowledged_name", "sentence", "note")
    list_select_related = ("worker", "acknowledged_by")
    date_hierarchy = "opened_at"
    ordering = ("-opened_at", "-id")
    actions = ("acknowledge",)

    @admin.display(description="Severity", ordering="severity")
    def level(self, alert: Alert) -> SafeString:
        return badge(str(alert.level.label), alert.level.look)

    @action("Acknowledge", capability="workers.acknowledge_alert")
    def acknowledge(self, request: HttpRequest, alerts: QuerySet[Alert]) -> None:
        seen = [acknowledging.Seen(alert.pk, alert.level) for alert in alerts[: acknowledging.MOST]]
        by = asker(cast(PersonalRequest, request))
        outcome = acknowledging.acknowledge(seen=seen, note="In the Django admin", by=by, now=timezone.now())
        done = len(outcome.changed)
        say_outcome(request, f"{counted(done, 'alert')} acknowledged." if done else "", outcome.refused)


@admin.register(AlertThreshold)
class AlertThresholdAdmin(ReadOnlyAdmin):
    list_display = ("kind", "whose", "warning", "critical", "minutes")
    list_filter = ("kind", ("worker", admin.EmptyFieldListFilter), "worker__region")
    search_fields = ("worker__name",)
    list_select_related = ("worker",)
    ordering = ("worker__name", "kind", "id")

    @admin.display(description="Of", ordering="worker__name")
    def whose(self, threshold: AlertThreshold) -> str:
        return str(threshold.worker or "the fleet")


@admin.register(AlertMute)
class AlertMuteAdmin(ReadOnlyAdmin):
    list_display = ("kind", "whose", "until", "reason", "muted_name", "muted_at")
    list_filter = ("kind", ("until", admin.EmptyFieldListFilter), "worker__region")
    search_fields = ("worker__name", "muted_name", "reason")
    list_select_related = ("worker", "muted_by")
    date_hierarchy = "muted_at"
    ordering = ("-muted_at", "-id")

    @admin.display(description="Of", ordering="worker__name")
    def whose(self, mute: AlertMute) -> str:
        return str(mute.worker or "the fleet")
