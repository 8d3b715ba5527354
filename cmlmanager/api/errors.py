"""Every error under /api/ as problem details: what operations raise, and what Django answers before or instead of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from cmlmanager.api.problems import CONTENT_TYPE, FieldError, Problem, code_of
from cmlmanager.api.schemas import escaped

logger = logging.getLogger(__name__)

PREFIX = "/api/"
# Pages for people, which answer as pages do.
PAGES = frozenset({"/api/docs", "/api/"})

_SENTENCES = {
    400: "The request cannot be read.",
    404: "There is no such address in the API; /api/openapi.json lists them.",
    405: "This address does not take that method.",
    413: "The body is too large.",
    500: "The portal made a mistake; its log has the details.",
    503: "The portal cannot answer now.",
}


class ProblemMiddleware:
    """The outermost middleware: whatever went wrong on the way is told to programs in their form, never as a page. HEAD is GET without a body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX) or request.path_info in PAGES:
            return self.get_response(request)
        head = request.method == "HEAD"
        if head:
            request.method = "GET"
        response = self.get_response(request)
        if head:
            request.method = "HEAD"
        if response.status_code < 400 or response.get("Content-Type", "").startswith(CONTENT_TYPE):
            return response
        return _as_problem(response)


def _as_problem(response: HttpResponse) -> HttpResponse:
    status = response.status_code
    kept = {name: response[name] for name in ("Allow", "Retry-After") if response.has_header(name)}
    sentence = _SENTENCES.get(status) or _SENTENCES[500 if status >= 500 else 400]
    problem = Problem(code_of(status), sentence, headers=kept).response()
    for name, value in response.items():
        if name not in {"Content-Type", "Content-Length", "Content-Encoding", "ETag"}:
            problem[name] = value
    return problem


def handle_errors(api: NinjaAPI) -> None:
    """Tell `api` how each exception is answered. What is in no line here is a mistake of ours: Django logs it and answers 500."""
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        Problem: lambda request, problem: problem.response(),
        HttpError: _http_error,
        ValidationError: _validation_error,
        Http404: lambda request, error: Problem("not-found", "There is no such thing, or it is not yours to see.").response(),
        PermissionDenied: _denied,
        RequestDataTooBig: lambda request, error: Problem("too-large", _SENTENCES[413]).response(),
        SuspiciousOperation: lambda request, error: Problem("bad-request", _SENTENCES[400]).response(),
        OperationalError: _database_away,
        Exception: _reraise,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    # The parser's own refusals come wrapped.
    if isinstance(error.__cause__, Problem):
        return error.__cause__.response()
    return Problem(code_of(error.status_code), error.message).response()


def _validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    found: list[FieldError] = []
    for one in error.errors:
        place, *path = one["loc"]
        if path and path[0] == place:
            path = path[1:]  # our own argument, which every operation names so
        pointer = "".join(f"/{escaped(part)}" for part in path)
        found.append({"place": str(place), "pointer": pointer, "detail": str(one["msg"])})
    return Problem("invalid", "Nothing was done: see `errors`.", errors=found[:50]).response()


def _denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    user: Any = request.user
    whose = "This token’s" if user.credential else "Your"
    what = f"{whose} role ({user.role.label if user.role else 'none'})"
    return Problem("forbidden", f"{what} does not allow that. Ask {settings.SUPPORT_CONTACT}.").response()


def _database_away(request: HttpRequest, error: OperationalError) -> HttpResponse:
    logger.error("An API request could not be served because the database did not answer.", exc_info=error)
    sentence = "The database does not answer at the moment; nothing was changed. Ask again in a few seconds."
    return Problem("unavailable", sentence, headers={"Retry-After": "5"}).response()


def _reraise(request: HttpRequest, error: Exception) -> HttpResponse:
    raise error
