"""The form with which operators change an account in the Django admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet

from accounts.models import User
from accounts.roles import Role

LAST = (
    "This is the last active administrator who can open the Django admin: nobody could give roles any more. "
    "Make somebody else an administrator with staff status first."
)


class PersonForm(UserChangeForm):
    """Django's own, which also keeps the portal from being left without an administrator."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors and self.instance.pk and self._loses_the_last(self.cleaned_data):
            raise forms.ValidationError(LAST, code="last_administrator")
        return cleaned

    def _loses_the_last(self, cleaned: dict[str, Any]) -> bool:
        # Locked, so that two administrators cannot demote each other at the same moment.
        others = list(_administrators().select_for_update().values_list("pk", flat=True))
        if self.instance.pk not in others or len(others) > 1:
            return False
        was = User.objects.get(pk=self.instance.pk)
        active, staff, superuser = (cleaned.get(name, getattr(was, name)) for name in ("is_active", "is_staff", "is_superuser"))
        groups = cleaned["groups"] if "groups" in cleaned else was.groups.all()
        in_group = any(group.name == Role.ADMIN.value for group in groups)
        return not (active and staff and (superuser or in_group))


def _administrators() -> QuerySet[User]:
    """The active people who can give roles in the Django admin."""
    in_group = Group.objects.filter(name=Role.ADMIN.value).values("user")
    return User.objects.filter(is_active=True, is_staff=True).filter(Q(is_superuser=True) | Q(pk__in=in_group))
