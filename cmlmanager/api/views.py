"""The schema, its page, and addresses that do not exist."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.cache import get_conditional_response
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from cmlmanager.api.portal import schema
from cmlmanager.api.problems import Problem


@cache
def _schema_text() -> tuple[bytes, str]:
    text = json.dumps(schema(), ensure_ascii=False).encode()
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


@login_not_required
@require_safe
def openapi_json(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document, for everybody: it tells nothing of this installation."""
    text, etag = _schema_text()
    response = HttpResponse(text, content_type="application/json", headers={"ETag": etag, "Cache-Control": "no-cache"})
    return get_conditional_response(request, etag=etag, response=response) or response


@require_safe
def root(request: HttpRequest) -> HttpResponse:
    """Whoever looks at /api/ looks for the documentation."""
    return redirect("api:docs")


@csrf_exempt
@login_not_required
def unknown(request: HttpRequest, rest: str) -> HttpResponse:
    """No page for a program that asks for an address which does not exist."""
    hint = " Addresses of the API do not end in a slash." if rest.endswith("/") else ""
    sentence = f"There is no such address in the API; /api/openapi.json lists them.{hint}"
    return Problem("not-found", sentence).response()
