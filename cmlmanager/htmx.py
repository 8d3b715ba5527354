"""The one module that knows htmx's headers."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import resolve_url
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.access import UNATTENDED


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
    """What becomes of a request whose session is over, or whose person may no longer do what they ask.

    htmx would follow a redirect to sign-in and swap that page into a table cell: it is told to go there instead. A page that asks by
    itself is only told why; what it does about it is its script's (static/js/session.js). After sign-in one is back on the page that one
    saw, never at an address that takes only a form.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        by_htmx, by_itself = bool(request.headers.get("HX-Request")), bool(request.headers.get(UNATTENDED))
        if by_htmx and response.status_code == 403 and "HX-Trigger" not in response:
            response["HX-Trigger"] = "session:powers" if by_itself else "session:refused"
        if not _must_sign_in(response, by_htmx):
            return response
        if by_itself:
            return HttpResponse(status=401, headers={"HX-Trigger": "session:over"})
        is_form = request.method not in {"GET", "HEAD"}
        if is_form:
            messages.warning(request, "You were signed out meanwhile, so nothing was done. Sign in, and do it again.")
        if by_htmx:
            return go_to(_sign_in(request.headers.get("HX-Current-URL", "")))
        if is_form:
            return HttpResponseRedirect(_sign_in(request.headers.get("Referer", "")))
        return response


def _must_sign_in(response: HttpResponse, by_htmx: bool) -> bool:
    """Whether it sends to sign-in and back. After signing out there is no way back."""
    if response.status_code == 401:
        return by_htmx
    if response.status_code != 302:
        return False
    where = urlsplit(response["Location"])
    return where.path == resolve_url(settings.LOGIN_URL) and REDIRECT_FIELD_NAME in QueryDict(where.query)


def _sign_in(page: str) -> str:
    """The address of sign-in that leads back to `page`. Of that only path and query count: behind a proxy its host may be another."""
    seen = urlsplit(page)
    back = seen.path + (f"?{seen.query}" if seen.query else "")
    if not back.startswith("/") or not url_has_allowed_host_and_scheme(back, None):
        back = "/"
    query = QueryDict(mutable=True)
    query[REDIRECT_FIELD_NAME] = back
    return f"{resolve_url(settings.LOGIN_URL)}?{query.urlencode(safe='/')}"
