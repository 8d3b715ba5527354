"""Seats in doubt, and tokens on their way to CML, whose text nobody sees."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.safestring import SafeString

from workers.admin.base import ReadOnlyAdmin, badge
from workers.models import DoubtfulSeat, LicenseToken


@admin.register(DoubtfulSeat)
class DoubtfulSeatAdmin(ReadOnlyAdmin):
    list_display = (
        "since",
        "worker_name",
        "why",
        "smart_account",
        "virtual_account",
        "hostname",
        "resolved_at",
        "resolved_by_name",
    )
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), "reason", "region", "smart_account")
    search_fields = ("worker_name", "instance_id", "hostname", "product_uuid", "smart_account", "virtual_account")
    list_select_related = ("worker", "operation", "resolved_by")
    date_hierarchy = "since"
    ordering = ("-since", "-id")

    @admin.display(description="Doubt", ordering="reason")
    def why(self, seat: DoubtfulSeat) -> SafeString:
        return badge(str(seat.doubt.label), seat.doubt.look)

    def view_on_site(self, seat: DoubtfulSeat) -> str:
        return reverse("licenses")


@admin.register(LicenseToken)
class LicenseTokenAdmin(ReadOnlyAdmin):
    list_display = ("operation", "created_at")
    list_select_related = ("operation",)
    exclude = ("token_encrypted",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
