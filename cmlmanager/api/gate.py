"""What happens around every operation of the API, in order: who asks, whether they may at all, how often, what they send, and how it is
answered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers

from cmlmanager.api import auth, idempotency, limits
from cmlmanager.api.problems import FieldError, Problem
from cmlmanager.api.schemas import escaped

View = Callable[..., HttpResponse]


def guarded(view: View, parameters: Mapping[str, frozenset[str]]) -> View:
    """`view` behind the gate. `parameters`: the names of the query's parameters that it knows, by method."""

    @wraps(view)
    def inside(request: HttpRequest, **arguments: Any) -> HttpResponse:
        allowance = None
        try:
            _check_size(request)
            auth.authenticate(request)
            auth.require_role(request)
            allowance = limits.spend(request)
            _check_query(request, parameters.get(request.method or "", frozenset()))
            _check_type(request)
            response = idempotency.once(request, lambda: view(request, **arguments))
            response = _conditional(request, response)
        except Problem as problem:
            response = problem.response()
            allowance = getattr(problem, "allowance", allowance)
        if allowance:
            allowance.mark(response)
        patch_vary_headers(response, ["Authorization", "Cookie"])
        return response

    # Django's own doors lead to pages; the gate is ours. CSRF is checked by it, for sessions.
    inside.csrf_exempt = True  # type: ignore[attr-defined]
    inside.login_required = False  # type: ignore[attr-defined]
    return inside


def _check_query(request: HttpRequest, known: frozenset[str]) -> None:
    """A misspelt filter would be answered with everything."""
    unknown: list[FieldError] = [
        {"place": "query", "pointer": f"/{escaped(name)}", "detail": f"There is no parameter {name[:50]!r} here."}
        for name in request.GET
        if name not in known
    ]
    if unknown:
        raise Problem("invalid", "Nothing was done: see `errors`.", errors=unknown[:20])


def _check_size(request: HttpRequest) -> None:
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower() and "Content-Length" not in request.headers:
        raise Problem("length-required", "Say in Content-Length how many bytes the body has.")
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if int(request.META.get("CONTENT_LENGTH") or 0) > most:
        raise Problem("too-large", f"The body may have at most {most:,} bytes.")


def _check_type(request: HttpRequest) -> None:
    if request.method not in auth.SAFE and request.body and request.content_type != "application/json":
        raise Problem("not-json", f"The body is {request.content_type or 'of no type'}; send application/json.")


def _conditional(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Lists and details carry a weak ETag of what they say; who has that already gets 304 and no body."""
    if request.method not in {"GET", "HEAD"} or response.status_code != 200 or response.streaming:
        response.setdefault("Cache-Control", "no-store")
        return response
    # Kept by whoever asked, and asked again each time.
    response.setdefault("Cache-Control", "private, no-cache")
    if not response.has_header("ETag"):
        response["ETag"] = f'W/"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    return get_conditional_response(request, etag=response["ETag"], response=response) or response
