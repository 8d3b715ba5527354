"""The one module that knows htmx's headers."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import resolve_url
from django.utils.cache import add_never_cache_headers, patch_vary_headers


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page. A restored or boosted page is asked for whole."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def vary(response: HttpResponse) -> HttpResponse:
    """Mark an answer that differs for htmx, so that the browser's back button shows no fragment as a page."""
    patch_vary_headers(response, ["HX-Request"])
    return response


def go_to(address: str) -> HttpResponse:
    """Send htmx's whole page elsewhere. A redirect would be followed and swapped into the part that asked."""
    response = HttpResponse(status=204, headers={"HX-Redirect": address})
    add_never_cache_headers(response)  # whoever is signed in the next time is not sent there
    return response


class SignInRedirectMiddleware:
    """htmx would follow a redirect to sign-in and swap that page into a table cell: tell it to go there instead."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        sign_in = resolve_url(settings.LOGIN_URL)
        if not request.headers.get("HX-Request") or response.status_code != 302:
            return response
        if urlsplit(response["Location"]).path != sign_in:
            return response
        # Back to the page that the person is on, not to the fragment that was asked for.
        current = urlsplit(request.headers.get("HX-Current-URL", ""))
        query = QueryDict(mutable=True)
        query[REDIRECT_FIELD_NAME] = (current.path or "/") + (f"?{current.query}" if current.query else "")
        return go_to(f"{sign_in}?{query.urlencode(safe='/')}")
