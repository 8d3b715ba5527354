"""Settings and turns on the operators' desk: to look at. They change on the settings page, which writes the audit."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse

from cmlmanager.runtime.models import SettingValue, Turn
from workers.admin.base import ReadOnlyAdmin


@admin.register(SettingValue)
class SettingValueAdmin(ReadOnlyAdmin):
    list_display = ("name", "value", "version", "changed_name", "changed_at")
    search_fields = ("name", "changed_name")
    list_filter = (("value", admin.EmptyFieldListFilter),)
    list_select_related = ("changed_by",)
    date_hierarchy = "changed_at"
    ordering = ("name",)

    def view_on_site(self, setting: SettingValue) -> str:
        return reverse("settings")


@admin.register(Turn)
class TurnAdmin(ReadOnlyAdmin):
    list_display = ("job", "taken_at")
    search_fields = ("job",)
    ordering = ("job",)
