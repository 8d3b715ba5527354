"""Fetch and authorise in one line. What a person may not see is 404; what they see but may not change is 403."""

from __future__ import annotations

import uuid

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404

from accounts.requests import PersonalRequest
from workers.models import NotificationTarget, Worker


def worker_to_see(request: PersonalRequest, worker_id: uuid.UUID) -> Worker:
    """The worker, or 404."""
    return get_object_or_404(Worker.objects.visible_to(request.user), pk=worker_id)


def worker_to_act_on(request: PersonalRequest, worker_id: uuid.UUID, permission: str) -> Worker:
    """The worker when the person holds `permission` (workers.<codename>); 404 when they may not see it, 403 when they only see it."""
    worker = worker_to_see(request, worker_id)
    if not request.user.has_perm(permission):
        raise PermissionDenied
    return worker


def target_to_act_on(request: PersonalRequest, target_id: uuid.UUID, permission: str) -> NotificationTarget:
    """The notification target when the person holds `permission`. Who may see none gets 403 for any, so that nobody learns which exist."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    return get_object_or_404(NotificationTarget, pk=target_id)
