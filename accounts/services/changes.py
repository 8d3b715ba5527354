"""What an operator changed about what somebody may do, told as events: role, staff, active, other groups and permissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib.auth.models import Group

from accounts import signals
from accounts.choices import AccountEvent
from accounts.models import User
from accounts.roles import Role


@dataclass(frozen=True)
class Standing:
    """What somebody may do, at one moment."""

    role: Role | None
    is_active: bool
    is_staff: bool
    is_superuser: bool
    groups: tuple[str, ...]
    permissions: tuple[str, ...]

    @property
    def staff(self) -> str:
        """In a word."""
        if self.is_superuser:
            return "Superuser" if self.is_staff else "Superuser, not staff"
        return "Staff" if self.is_staff else "Not staff"


def standing(pk: int) -> Standing:
    """As the database says now; nothing that was read before is used."""
    user = User.objects.get(pk=pk)
    return Standing(
        role=user.role,
        is_active=user.is_active,
        is_staff=user.is_staff,
        is_superuser=user.is_superuser,
        groups=tuple(sorted(user.groups.values_list("name", flat=True))),
        permissions=tuple(sorted(user.user_permissions.values_list("codename", flat=True))),
    )


def tell(user: User, before: Standing, *, by: User | None, source: str, address: str | None = None) -> None:
    """One event for each thing that differs from `before`."""
    after = standing(user.pk)
    common = {"user": user, "by": by, "address": address}
    if after.role != before.role:
        signals.role_changed.send(User, before=before.role, after=after.role, source=source, **common)
    elif after.groups != before.groups:
        _tell(AccountEvent.PERMISSIONS_CHANGED, source, common, _groups(before), _groups(after))
    if after.staff != before.staff:
        _tell(AccountEvent.STAFF_CHANGED, source, common, before.staff, after.staff)
    if after.permissions != before.permissions:
        _tell(AccountEvent.PERMISSIONS_CHANGED, source, common, _own(before), _own(after))
    if after.is_active != before.is_active:
        _tell(AccountEvent.ACTIVATED if after.is_active else AccountEvent.DEACTIVATED, source, common)


def tell_created(user: User, *, by: User | None, source: str, address: str | None = None) -> None:
    """A new account."""
    _tell(AccountEvent.CREATED, source, {"user": user, "by": by, "address": address})


def _tell(kind: AccountEvent, source: str, common: Mapping[str, object], before: str = "", after: str = "") -> None:
    signals.account_event.send(User, kind=kind, detail=source, before=before, after=after, **common)


def _groups(one: Standing) -> str:
    return f"Groups: {', '.join(one.groups)}" if one.groups else "No groups"


def _own(one: Standing) -> str:
    return f"Own permissions: {', '.join(one.permissions)}" if one.permissions else "No permissions of their own"


def grantable(editor: User) -> list[Group]:
    """The groups that `editor` may give: those that hold nothing beyond what they may do themselves."""
    groups = Group.objects.prefetch_related("permissions__content_type").order_by("name")
    if editor.is_superuser:
        return list(groups)
    held = editor.get_all_permissions()
    return [
        group for group in groups if {f"{one.content_type.app_label}.{one.codename}" for one in group.permissions.all()} <= held
    ]
