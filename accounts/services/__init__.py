"""What the portal does with people and roles."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.db import models

from accounts.roles import CAPABILITIES, Role


def grant_capabilities(sender: AppConfig, *, using: str, **kwargs: Any) -> None:
    """post_migrate receiver: create the three groups and give each exactly the table's permissions, as far as they exist yet.

    A permission that is in no row of the table is left as an operator set it in the Django admin.
    """
    if not apps.is_installed("django.contrib.auth"):
        return
    from django.contrib.auth.models import Group, Permission

    permissions = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.using(using).select_related("content_type")
        if f"{permission.content_type.app_label}.{permission.codename}" in CAPABILITIES
    }
    for role in Role:
        group, _ = Group.objects.using(using).get_or_create(name=role.value)
        granted = [permission for name, permission in permissions.items() if role in CAPABILITIES[name]]
        managed = models.Q(pk__in=[permission.pk for permission in permissions.values()])
        stale = group.permissions.using(using).filter(managed).exclude(pk__in=[permission.pk for permission in granted])
        group.permissions.remove(*stale)
        group.permissions.add(*granted)
