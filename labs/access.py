"""Fetch and authorise in one line. What a person may not see is 404; what they see but may not change is 403."""

from __future__ import annotations

import uuid

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404

from accounts.requests import PersonalRequest
from labs.models import Lab, LabVersion


def lab_to_see(request: PersonalRequest, lab_id: uuid.UUID) -> Lab:
    """The lab with its worker, or 404."""
    return get_object_or_404(Lab.objects.visible_to(request.user).select_related("worker"), pk=lab_id)


def lab_to_act_on(request: PersonalRequest, lab_id: uuid.UUID, permission: str) -> Lab:
    """The lab when the person holds `permission` (labs.<codename>); 404 when they may not see it, 403 when they only see it."""
    lab = lab_to_see(request, lab_id)
    if not request.user.has_perm(permission):
        raise PermissionDenied
    return lab


def version_to_act_on(request: PersonalRequest, version_id: int) -> LabVersion:
    """The version with its text, for those who may operate labs: configurations hold passwords. 404 and 403 as for the lab."""
    version = get_object_or_404(
        LabVersion.objects.visible_to(request.user).select_related("lab__worker", "content"), pk=version_id
    )
    if not request.user.has_perm("labs.operate_lab"):
        raise PermissionDenied
    return version
