"""People in the Django admin: where an operator makes accounts, gives roles, ends sessions and revokes tokens.

Whatever changes what somebody may do is told to the audit.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.forms import ModelForm, ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import get_text_list

from accounts import browsers, signals
from accounts.choices import AccountEvent
from accounts.desk_forms import PersonForm
from accounts.local import factors, lockout
from accounts.models import ApiToken, SignIn, User
from accounts.roles import Role
from accounts.services import changes, local, sessions, tokens

SOURCE = "Django admin"

# allauth's rows. Of addresses nothing here depends; second factors hold secrets and are removed by an action, which tells the audit.
admin.site.unregister(EmailAddress)
admin.site.unregister(Authenticator)
admin.site.unregister(Group)


def _asker(request: HttpRequest) -> dict[str, Any]:
    return {"by": request.user, "address": sessions.address_of(request)}


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
    """Django's own, with roles and locks in the list, and actions for people who cannot get in. Accounts are deactivated, never deleted."""

    form = PersonForm
    list_display = (
        "username",
        "name",
        "email",
        "roles",
        "is_staff",
        "is_active",
        "second_factor",
        "locked_out",
        "last_login",
    )
    list_filter = ("groups", "is_staff", "is_superuser", "is_active", "must_change_password")
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        ("Signing in", {"fields": ("must_change_password", "second_factors", "locked_out")}),
        ("Preferences", {"fields": ("time_zone", "colour_scheme")}),
    )
    actions = ("unlock", "remove_second_factors", "require_new_password", "end_all_sessions")
    inlines = (SignInInline,)

    # ── Who may change whom ─────────────────────────────────────────────────────────────────────────────────────────
    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers are changed by superusers alone: whoever may give them a password could become one."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only a superuser makes superusers and gives single permissions; everybody else gives roles."""
        shown = ("second_factors", "locked_out")
        return shown if request.user.is_superuser else (*shown, "is_superuser", "user_permissions", "last_login", "date_joined")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> ModelMultipleChoiceField | None:
        """Nobody gives a group that holds more than they have."""
        if db_field.name == "groups":
            names = [group.pk for group in changes.grantable(request.user)]  # type: ignore[arg-type]
            kwargs["queryset"] = Group.objects.filter(pk__in=names)
        return super().formfield_for_manytomany(db_field, request=request, **kwargs)

    # ── Changes, told ───────────────────────────────────────────────────────────────────────────────────────────────
    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """What held before is remembered. A password that an operator chose must be changed by its owner."""
        request.standing_before = changes.standing(obj.pk) if change else None  # type: ignore[attr-defined]
        if not change and obj.has_usable_password():
            obj.must_change_password = True
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        """Groups that the editor could not choose are kept. Then what changed is told."""
        user: User = form.instance
        if change and "groups" in form.fields:
            offered = form.fields["groups"].queryset  # type: ignore[attr-defined]
            kept = list(user.groups.exclude(pk__in=offered))
            super().save_related(request, form, formsets, change)
            user.groups.add(*kept)
        else:
            super().save_related(request, form, formsets, change)
        asker = _asker(request)
        before = request.standing_before  # type: ignore[attr-defined]
        if before is None:
            changes.tell_created(user, source=SOURCE, **asker)
        else:
            changes.tell(user, before, source=SOURCE, **asker)

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Django's page; a new password is told and must be changed by its owner."""
        found = self.get_object(request, unquote(id))
        before = found.password if found else ""
        response = super().user_change_password(request, id, form_url)
        if found and (user := User.objects.get(pk=found.pk)).password != before:
            local.note_password_set(user=user, **_asker(request))
        return response

    # ── Actions ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _each(self, request: HttpRequest, people: QuerySet[User]) -> list[User]:
        """Those whom the asker may change; of the others they are told."""
        may = [user for user in people if self.has_change_permission(request, user)]
        if left := people.count() - len(may):
            self.message_user(
                request, f"{left} superuser{'s' if left > 1 else ''} left alone: only superusers change them.", messages.WARNING
            )
        return may

    def _answer(self, request: HttpRequest, done: list[str], verb: str, nothing: str) -> None:
        said = f"{verb}: {get_text_list(done, 'and')}." if done else nothing
        self.message_user(request, said, messages.SUCCESS if done else messages.INFO)

    @admin.action(description="Unlock: let them try to sign in again", permissions=["change"])
    def unlock(self, request: HttpRequest, people: QuerySet[User]) -> None:
        done = [str(user) for user in self._each(request, people) if local.unlock(user=user, **_asker(request))]
        self._answer(request, done, "Unlocked", "Nobody of them was locked out.")

    @admin.action(description="Remove their second factors", permissions=["change"])
    def remove_second_factors(self, request: HttpRequest, people: QuerySet[User]) -> None:
        done = [str(user) for user in self._each(request, people) if local.remove_second_factors(user=user, **_asker(request))]
        self._answer(request, done, "Second factors removed of", "Nobody of them had a second factor.")

    @admin.action(description="Make them choose a new password", permissions=["change"])
    def require_new_password(self, request: HttpRequest, people: QuerySet[User]) -> None:
        done = [str(user) for user in self._each(request, people) if local.require_new_password(user=user, **_asker(request))]
        self._answer(request, done, "A new password must be chosen by", "Nobody of them has a password to change.")

    def has_end_sessions_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_signin")

    @admin.action(description="End all sessions of the selected people", permissions=["end_sessions"])
    def end_all_sessions(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        by, address, now = _actor(request), sessions.address_of(request), timezone.now()
        count = sum(sessions.end_sessions(user=user, by=by, address=address, now=now) for user in chosen)
        self.message_user(request, _ended(count), messages.SUCCESS)

    # ── The list ────────────────────────────────────────────────────────────────────────────────────────────────────
    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        strong = Authenticator.objects.filter(user=OuterRef("pk"), type__in=factors.STRONG)
        return super().get_queryset(request).prefetch_related("groups").annotate(has_factor=Exists(strong))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Locks of the whole page are read at once."""
        page = super().get_changelist_instance(request)
        left = lockout.seconds_left(page.result_list)
        for user in page.result_list:
            user.seconds_left = left.get(user.pk, 0)
        return page

    @admin.display(description="Name", ordering="first_name")
    def name(self, user: User) -> str:
        return user.get_full_name()

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    @admin.display(description="Second factor", boolean=True, ordering="has_factor")
    def second_factor(self, user: User) -> bool:
        return bool(getattr(user, "has_factor", False))

    @admin.display(description="Second factors")
    def second_factors(self, user: User) -> str:
        found = Authenticator.objects.filter(user=user).order_by("pk") if user.pk else []
        return ", ".join(factors.name_of(one) for one in found) or "none"

    @admin.display(description="Locked out")
    def locked_out(self, user: User) -> str:
        left = getattr(user, "seconds_left", None)
        if left is None:
            left = lockout.seconds_left([user]).get(user.pk, 0) if user.pk else 0
        return f"for {max(1, round(left / 60))} min" if left else "–"


@admin.register(Group)
class PortalGroupAdmin(GroupAdmin):
    """The three roles are the table's (accounts.roles) and cannot be changed here; superusers may make other groups beside them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser) and (obj is None or obj.name not in Role.values)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Group, form: ModelForm, change: bool) -> None:
        request.permissions_before = self._permissions(obj) if change else []  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        """What the group holds is told when it changes."""
        super().save_related(request, form, formsets, change)
        group: Group = form.instance
        before, after = request.permissions_before, self._permissions(group)  # type: ignore[attr-defined]
        if before != after or not change:
            words = {"before": ", ".join(before), "after": ", ".join(after) or "nothing"}
            detail = f"group “{group.name}”, {SOURCE}"
            signals.account_event.send(
                User, kind=AccountEvent.PERMISSIONS_CHANGED, user=None, detail=detail, **words, **_asker(request)
            )

    @staticmethod
    def _permissions(group: Group) -> list[str]:
        return sorted(group.permissions.values_list("codename", flat=True))


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
