"""The API's documentation as a page of the portal."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cmlmanager.api.portal import schema


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Every operation with its parameters, bodies, answers and an example."""
    return render(request, "api/docs.html", {"schema": schema()})
