"""Error pages that Django's default views do not cover."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was open too long, or cookies switched off: say what to do."""
    return render(request, "403_csrf.html", status=403)
