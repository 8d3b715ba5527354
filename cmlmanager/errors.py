"""Error pages that Django's default views do not cover."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was open too long, or cookies switched off: say what to do."""
    response = render(request, "403_csrf.html", status=403)
    response["HX-Trigger"] = "session:stale"  # htmx shows no page of an error: the script says it
    return response
