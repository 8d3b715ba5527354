"""Fetch and authorise in one line. What a person may not see is 404; what they see but may not change is 403."""

from __future__ import annotations

import uuid

from django.shortcuts import get_object_or_404

from accounts.requests import PersonalRequest
from labs.models import Lab


def lab_to_see(request: PersonalRequest, lab_id: uuid.UUID) -> Lab:
    """The lab with its worker, or 404."""
    return get_object_or_404(Lab.objects.visible_to(request.user).select_related("worker"), pk=lab_id)
