"""People who must choose a new password or set up a second factor are led there, and can do nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.local.duties import outstanding
from cmlmanager.htmx import go_to


class DutiesMiddleware:
    """Runs before a view. Pages that serve a duty, signing out and what needs no sign-in are let through."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not request.user.is_authenticated or not getattr(view, "login_required", True):
            return None
        served: frozenset[str] = getattr(view, "serves_duties", frozenset())
        duty = outstanding(request.user, request.session.get(BACKEND_SESSION_KEY))
        request.duty = duty  # type: ignore[attr-defined]  # its page shows no way elsewhere, and asks for no news
        if duty is None or duty.value in served:
            return None
        address = reverse(duty.value)
        if request.path.startswith("/api/"):
            problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": f"{duty.label} Open {address}."}
            return JsonResponse(problem, status=403, content_type="application/problem+json")
        return go_to(address) if request.headers.get("HX-Request") else redirect(address)
