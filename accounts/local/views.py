"""The pages of local accounts. They are allauth's views, behind one gate that says who may open them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.views import LoginView
from allauth.decorators import rate_limit
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.choices import LocalAccounts
from accounts.local import policy
from accounts.local.duties import Duty
from accounts.local.factors import SecretLost

View = Callable[..., HttpResponseBase]
PAGE_METHODS = ["GET", "HEAD", "POST"]
READ_METHODS = ["GET", "HEAD"]


def entrance(view: View, *modes: LocalAccounts) -> View:
    """A way in: for people who are signed out. It does not exist unless the setting is one of `modes`."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if modes and policy.mode() not in modes:
            raise Http404
        return view(request, *args, **kwargs)

    page = require_http_methods(PAGE_METHODS)(never_cache(guarded))
    page.login_required = False  # type: ignore[attr-defined]
    return page


def own_page(view: View, *duties: Duty, methods: list[str] = PAGE_METHODS) -> View:
    """A page about one's own local account, whatever the role. It does not exist for people of Keycloak.

    `duties` are those that it serves: the middleware lets people with one of them through.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not policy.is_local(request):
            raise Http404
        try:
            return render_now(view(request, *args, **kwargs))
        except SecretLost as lost:
            messages.error(request, lost.message)
            return redirect("mfa_index")

    page = require_http_methods(methods)(never_cache(guarded))
    page.role_required = False  # type: ignore[attr-defined]
    page.serves_duties = frozenset(duty.value for duty in duties)  # type: ignore[attr-defined]
    return page


def own_exit(view: View) -> View:
    """The way out: open to everybody, whatever is due and whatever their role."""
    page = require_http_methods(PAGE_METHODS)(never_cache(view))
    page.role_required = False  # type: ignore[attr-defined]
    return whatever_is_due(page)


def whatever_is_due(view: View) -> View:
    """A view that people may open before they have done what is due."""
    view.serves_duties = frozenset(Duty.values)  # type: ignore[attr-defined]
    return view


def render_now(response: HttpResponseBase) -> HttpResponseBase:
    """What a template finds wrong is found here, not after the view."""
    return response.render() if isinstance(response, SimpleTemplateResponse) else response


def with_password(view: View) -> View:
    """Only for accounts that have a password: allauth would lead the others to a page that is not there."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not request.user.has_usable_password():
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def passkeys(request: HttpRequest) -> HttpResponse:
    """Passkeys are listed with the other second factors."""
    return redirect("mfa_index")


class BreakGlassView(LoginView):
    """Sign-in of the break-glass administrator. No page leads here; the operators' manual does."""

    template_name = "account/break_glass.html"

    @method_decorator(rate_limit(action="break_glass"))
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs)
