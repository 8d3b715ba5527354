"""People in the Django admin: where an operator makes accounts and gives roles."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User

# allauth's list of addresses; nothing here depends on it.
admin.site.unregister(EmailAddress)


@admin.register(User)
class PortalUserAdmin(UserAdmin):
    """Django's own, with the preferences and the roles in the list."""

    list_display = ("username", "first_name", "last_name", "email", "roles", "is_staff", "is_active", "last_login")
    list_filter = ("groups", "is_staff", "is_superuser", "is_active")
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Preferences", {"fields": ("time_zone", "colour_scheme")}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only a superuser makes superusers; everybody else gives roles."""
        return () if request.user.is_superuser else ("is_superuser", "user_permissions", "last_login", "date_joined")

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())
