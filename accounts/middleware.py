"""What happens around every view for the person who asks. Django's LoginRequiredMiddleware runs before these."""

from __future__ import annotations

import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from accounts.access import UNATTENDED
from accounts.services import sessions


class SessionsMiddleware:
    """A session that was ended, or is over, is nobody's; one that its person uses stays alive."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = sessions.serving.set(self._known(request))
        try:
            return self.get_response(request)
        finally:
            sessions.serving.reset(token)

    def _known(self, request: HttpRequest) -> uuid.UUID | None:
        if not request.user.is_authenticated:
            return None
        now = timezone.now()
        sign_in = sessions.sign_in_of(request.session, request.user, now=now)
        if sign_in is None:
            request.session.flush()
            request.user = AnonymousUser()
            return None
        request.sign_in = sign_in  # type: ignore[attr-defined]
        if not request.headers.get(UNATTENDED):
            sessions.touch(sign_in, address=sessions.address_of(request), now=now)
        return sign_in.pk


class RoleRequiredMiddleware:
    """Signed-in people without a role see one page that says why there is nothing to see, and whom to ask."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not request.user.is_authenticated or request.user.has_perm("workers.view_worker"):
            return None
        if not getattr(view, "role_required", True) or not getattr(view, "login_required", True):
            return None
        return render(request, "accounts/no_role.html", {"contact": settings.SUPPORT_CONTACT}, status=403)


class PreferencesMiddleware:
    """Times in the person's own zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return self.get_response(request)
        try:
            zone = zoneinfo.ZoneInfo(request.user.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            zone = zoneinfo.ZoneInfo("UTC")  # the zone was dropped from a newer tz database
        with timezone.override(zone):
            return self.get_response(request)


class PrivatePagesMiddleware:
    """Pages of signed-in people are kept by no cache, so that the next person at the machine finds nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.user.is_authenticated and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response
