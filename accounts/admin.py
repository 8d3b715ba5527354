"""People in the Django admin: where an operator makes accounts, gives roles, ends sessions and revokes tokens."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import browsers
from accounts.models import ApiToken, SignIn, User
from accounts.services import sessions, tokens

# allauth's list of addresses; nothing here depends on it.
admin.site.unregister(EmailAddress)


class _ReadOnly:
    """What is seen here is made and changed elsewhere."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SignInInline(_ReadOnly, admin.TabularInline):
    """Where a person is signed in. The list of sessions ends them."""

    model = SignIn
    fields = readonly_fields = ("browser", "address", "method", "started_at", "last_seen_at")
    verbose_name_plural = "sessions"
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[SignIn]:
        return SignIn.objects.alive(timezone.now())

    @admin.display(description="Browser")
    def browser(self, sign_in: SignIn) -> str:
        return browsers.in_words(sign_in.user_agent)


@admin.register(User)
class PortalUserAdmin(UserAdmin):
    """Django's own, with the preferences and the roles in the list."""

    list_display = ("username", "first_name", "last_name", "email", "roles", "is_staff", "is_active", "last_login")
    list_filter = ("groups", "is_staff", "is_superuser", "is_active")
    actions = ("end_all_sessions",)
    inlines = (SignInInline,)
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Preferences", {"fields": ("time_zone", "colour_scheme")}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only a superuser makes superusers; everybody else gives roles."""
        return () if request.user.is_superuser else ("is_superuser", "user_permissions", "last_login", "date_joined")

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    def has_end_sessions_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_signin")

    @admin.action(description="End all sessions of the selected people", permissions=["end_sessions"])
    def end_all_sessions(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        by, address, now = _actor(request), sessions.address_of(request), timezone.now()
        count = sum(sessions.end_sessions(user=user, by=by, address=address, now=now) for user in chosen)
        self.message_user(request, _ended(count), messages.SUCCESS)


@admin.register(SignIn)
class SignInAdmin(_ReadOnly, admin.ModelAdmin):
    """Who is signed in, and the way to end it."""

    list_display = ("user", "browser", "address", "method", "started_at", "last_seen_at")
    list_filter = ("method",)
    list_select_related = ("user",)
    search_fields = ("user__username", "address")
    actions = ("end_sessions",)
    fields = ("user", "browser", "address", "method", "started_at", "last_seen_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SignIn]:
        return SignIn.objects.alive(timezone.now())

    @admin.display(description="Browser")
    def browser(self, sign_in: SignIn) -> str:
        return browsers.in_words(sign_in.user_agent)

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_signin")

    @admin.action(description="End the selected sessions", permissions=["end"])
    def end_sessions(self, request: HttpRequest, chosen: QuerySet[SignIn]) -> None:
        ids = chosen.values_list("pk", flat=True)
        count = sessions.end_chosen(ids, by=_actor(request), address=sessions.address_of(request), now=timezone.now())
        self.message_user(request, _ended(count), messages.SUCCESS)


@admin.register(ApiToken)
class ApiTokenAdmin(_ReadOnly, admin.ModelAdmin):
    """Whose programs have tokens. Nothing here opens anything."""

    list_display = (
        "name",
        "user",
        "scope",
        "prefix",
        "created_at",
        "expires_at",
        "last_used_at",
        "last_used_from",
        "revoked_at",
    )
    list_filter = ("scope", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "prefix")
    actions = ("revoke",)
    fields = list_display

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apitoken")

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        by, address, now = _actor(request), sessions.address_of(request), timezone.now()
        count = sum(tokens.revoke(token, by=by, address=address, now=now) for token in chosen.select_related("user"))
        self.message_user(request, f"{count} token{'' if count == 1 else 's'} revoked.", messages.SUCCESS)


def _actor(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _ended(count: int) -> str:
    return f"{count} session{' is' if count == 1 else 's are'} ended."
