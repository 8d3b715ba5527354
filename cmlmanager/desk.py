"""The Django admin as the operators' desk: one sign-in for everything, and a clear 403 for people who are not staff."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

METHODS = ["GET", "HEAD", "POST"]
SAFE = ["GET", "HEAD"]
# Views of Django's that change nothing and answer any method as if it were GET.
READS = {
    "index",
    "app_index",
    "i18n_javascript",
    "autocomplete_view",
    "history_view",
    "catch_all_view",
    "password_change_done",
    "shortcut",
}


class Desk(AdminSite):
    """Signed-out people go to the portal's sign-in, with its rate limit."""

    site_header = site_title = "CML Cloud Manager"
    index_title = "Operators' desk"

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Refuse signed-in people who are not staff: another sign-in, which Django would offer them, does not help."""
        inner = super().admin_view(view, cacheable)
        methods = SAFE if getattr(view, "__name__", "") in READS else METHODS

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not self.has_permission(request):
                raise PermissionDenied
            return inner(request, *args, **kwargs)

        return guarded

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is no second sign-in page."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        wanted = request.GET.get("next", "")
        here = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
        return redirect_to_login(wanted if here else reverse("admin:index"))

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """There is no second page to change one's password either."""
        return redirect("account_change_password")
