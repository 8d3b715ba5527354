"""What people of the provider may do here: the one place where claims become groups."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from accounts.choices import AccountEvent
from accounts.models import User
from accounts.oidc import rolemap
from accounts.roles import Role
from accounts.signals import account_event, role_changed

logger = logging.getLogger(__name__)
SOURCE = "Keycloak groups"


@dataclass(frozen=True, slots=True)
class Change:
    """What applying did: the role before and after, and whether anything at all was written."""

    before: Role | None
    after: Role | None
    is_written: bool


def managed() -> frozenset[Role]:
    """The roles that only the provider gives: all, as soon as there is a map. Without one they are given in the Django admin."""
    return frozenset(Role) if settings.OIDC_ROLE_MAP else frozenset()


def apply_groups(user: User, claims: Iterable[Mapping[str, Any]]) -> Change:
    """Give `user` exactly the managed groups, staff and superuser status that their claims (userinfo, ID token) amount to.

    Other groups are left alone. Announced by accounts.signals in the same transaction; nothing is written when nothing differs.
    """
    roles = rolemap.roles_of(claims)
    with transaction.atomic():
        # Two renewals of two browsers may come at once: the second sees what the first did.
        current = User.objects.select_for_update().get(pk=user.pk)
        before = current.role
        is_written = _set_groups(current, roles) | _set_standing(current, roles)
        current.__dict__.pop("role", None)
        after = current.role
        if after != before:
            logger.info(
                "The role of %s is now %s, it was %s: %s.", current.get_username(), after or "none", before or "none", SOURCE
            )
            role_changed.send(User, user=current, before=before, after=after, by=None, source=SOURCE)
    _bring_up_to_date(user, current)
    return Change(before, after, is_written)


def _set_groups(user: User, roles: frozenset[Role]) -> bool:
    held = set(user.groups.filter(name__in=Role.values).values_list("name", flat=True))
    wanted = {role.value for role in roles}
    if not managed():
        # Without a map the default is for those who have nothing yet.
        wanted = held or wanted
    if held == wanted:
        return False
    user.groups.remove(*Group.objects.filter(name__in=held - wanted))
    user.groups.add(*Group.objects.filter(name__in=wanted - held))
    return True


def _set_standing(user: User, roles: frozenset[Role]) -> bool:
    """is_staff and is_superuser follow the roles. Without a map they too are given in the Django admin."""
    if not managed():
        return False
    before = user.is_staff, user.is_superuser
    user.is_staff = settings.OIDC_STAFF_ROLE in roles
    user.is_superuser = settings.OIDC_SUPERUSER_ROLE in roles
    if (user.is_staff, user.is_superuser) == before:
        return False
    user.save(update_fields=["is_staff", "is_superuser"])
    account_event.send(
        User,
        kind=AccountEvent.STAFF_CHANGED,
        user=user,
        by=None,
        detail=SOURCE,
        address=None,
        before=_standing(*before),
        after=_standing(user.is_staff, user.is_superuser),
    )
    return True


def _standing(is_staff: bool, is_superuser: bool) -> str:
    if is_superuser:
        return "Superuser" if is_staff else "Superuser, not staff"
    return "Staff" if is_staff else "Not staff"


def _bring_up_to_date(user: User, current: User) -> None:
    """The caller's object says what the database says, and remembers no permission of before."""
    user.is_staff, user.is_superuser = current.is_staff, current.is_superuser
    for name in ("role", "_perm_cache", "_user_perm_cache", "_group_perm_cache"):
        user.__dict__.pop(name, None)
