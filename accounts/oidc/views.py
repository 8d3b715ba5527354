"""The doors between the portal and the provider. Whatever goes wrong on the way in is a sentence on the sign-in page, and a line in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.contrib import auth
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from accounts.choices import AccountEvent, SignInMethod
from accounts.models import User
from accounts.oidc import discovery, logout, renewal
from accounts.oidc.backend import KeycloakBackend
from accounts.oidc.errors import ProviderAway, ProviderRefused, ProviderSlow, SignInRefused, TokenRefused
from accounts.oidc.problems import Problem
from accounts.services import sessions
from accounts.signals import account_event

logger = logging.getLogger(__name__)
BACKEND = "accounts.oidc.backend.KeycloakBackend"
# Seconds for which a sign-in that was begun can be finished; Keycloak's own limit is half an hour.
_STATE_LIFETIME = 3600
_MAX_NEXT = 2000


@method_decorator([never_cache, login_not_required], name="dispatch")
class AuthenticateView(OIDCAuthenticationRequestView):
    """Begin: to the provider, with state, nonce and PKCE's challenge."""

    def __init__(self, **kwargs: Any) -> None:
        # Not the library's, which wants the address as a setting.
        super(OIDCAuthenticationRequestView, self).__init__(**kwargs)
        self.OIDC_RP_CLIENT_ID = settings.OIDC_RP_CLIENT_ID

    def get(self, request: HttpRequest) -> HttpResponse:
        _must_be_on()
        try:
            self.OIDC_OP_AUTH_ENDPOINT = discovery.provider().authorization_endpoint
        except ProviderAway as error:
            return refused(request, _problem_of(error), str(error), wanted=request.GET.get(REDIRECT_FIELD_NAME))
        response: HttpResponseRedirect = super().get(request)
        # Each of several sign-ins under way in one browser has its own destination.
        state = parse_qs(urlsplit(response.url).query)["state"][0]
        wanted = request.session.pop("oidc_login_next", None)
        if wanted and len(wanted) <= _MAX_NEXT:
            request.session["oidc_states"][state]["next"] = wanted
        return response


@method_decorator([never_cache, login_not_required], name="dispatch")
class CallbackView(OIDCAuthenticationCallbackView):
    """Finish: back from the provider, with a code or an error."""

    def get(self, request: HttpRequest) -> HttpResponse:
        _must_be_on()
        begun = _take_state(request)
        if begun is None:
            if request.user.is_authenticated:  # the browser's back button
                return HttpResponseRedirect(resolve_url(settings.LOGIN_REDIRECT_URL))
            return refused(request, Problem.STATE, "the state is not one of this browser, or too old")
        wanted = begun.get("next")
        try:
            user, grant = _finish(request, begun)
        except (ProviderAway, ProviderRefused, TokenRefused, SignInRefused) as error:
            _tell_failure(request, error)
            return refused(request, _problem_of(error), str(error), wanted=wanted)
        with transaction.atomic():
            now = timezone.now()
            auth.login(request, user, backend=BACKEND)  # with a new session key, whatever was before
            sign_in = sessions.record_sign_in(
                request,
                user,
                method=SignInMethod.KEYCLOAK,
                issuer=settings.OIDC_ISSUER,
                subject=grant.claims["sub"],
                sid=grant.sid,
                now=now,
            )
            renewal.begin(request.session, sign_in, grant, now=now)
        return HttpResponseRedirect(wanted or resolve_url(settings.LOGIN_REDIRECT_URL))


def _finish(request: HttpRequest, begun: dict[str, Any]) -> tuple[User, Any]:
    """The person and what the provider gave. Raises ProviderAway, ProviderRefused, TokenRefused, SignInRefused."""
    if error := request.GET.get("error"):
        problem = Problem.DENIED if error in ("access_denied", "login_required", "interaction_required") else Problem.REFUSED
        raise SignInRefused(problem, f"it answered {error[:100]!r}, {request.GET.get('error_description', '')[:200]!r}")
    if request.GET.get("iss", settings.OIDC_ISSUER) != settings.OIDC_ISSUER:
        raise SignInRefused(Problem.TOKEN, f"the answer came from {request.GET['iss'][:200]!r}")  # RFC 9207
    backend = KeycloakBackend()
    user = backend.authenticate(request, nonce=begun["nonce"], code_verifier=begun["code_verifier"])
    if user is None:
        raise SignInRefused(Problem.REFUSED, "the answer has neither a code nor an error")
    return user, backend.grant


def _take_state(request: HttpRequest) -> dict[str, Any] | None:
    """What was kept when this sign-in began. It works once."""
    states = request.session.get("oidc_states")
    state = request.GET.get("state", "")
    if not isinstance(states, dict) or state not in states:
        return None
    begun: dict[str, Any] = states.pop(state)
    # Written before the provider is asked, which takes a while; read again after, for what other tabs do meanwhile.
    request.session.modified = True
    request.session.save()
    request.session = request.session.__class__(request.session.session_key)
    return begun if time.time() - begun["added_on"] < _STATE_LIFETIME else None


def refused(request: HttpRequest, problem: Problem, detail: str, *, wanted: str | None = None) -> HttpResponse:
    """To the sign-in page, which says why; from there the way goes on to the same place."""
    logger.warning(
        "Sign-in with %s from %s was refused (%s): %s", settings.OIDC_NAME, sessions.address_of(request), problem.value, detail
    )
    fields = {"problem": problem.value}
    if wanted:
        fields[REDIRECT_FIELD_NAME] = wanted
    return HttpResponseRedirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode(fields)}")


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, SignInRefused):
        return error.problem
    if isinstance(error, TokenRefused):
        return Problem.TOKEN
    if isinstance(error, ProviderRefused):
        # The code was used or has expired: somebody took very long, or reloaded.
        return Problem.STATE if error.code == "invalid_grant" else Problem.REFUSED
    return Problem.SLOW if isinstance(error, ProviderSlow) else Problem.AWAY


def _tell_failure(request: HttpRequest, error: Exception) -> None:
    if isinstance(error, ProviderAway):
        return  # nobody was refused
    account_event.send(
        User,
        kind=AccountEvent.SIGN_IN_FAILED,
        user=None,
        by=None,
        detail=f"{settings.OIDC_NAME}: {error}"[:500],
        address=sessions.address_of(request),
    )


def with_provider(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view that signs out, and after it the provider's session ends too. Ours ends first, and whatever the provider does."""

    @wraps(view)
    def leave(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_leaving = request.method == "POST" and request.user.is_authenticated and discovery.is_on()
        id_token = logout.id_token_of(request) if is_leaving else None
        response = view(request, *args, **kwargs)
        if id_token is None or request.user.is_authenticated:
            return response
        sign_in = reverse("account_login")
        try:
            address = logout.way_out(id_token, back_to=request.build_absolute_uri(sign_in))
        except ProviderAway as error:
            logger.warning("Somebody has signed out, but not at %s: %s", settings.OIDC_NAME, error)
            return HttpResponseRedirect(f"{sign_in}?problem={Problem.LEFT_OPEN}")
        return HttpResponseRedirect(address) if address else response

    return leave


@csrf_exempt
@login_not_required
@require_POST
def backchannel_logout(request: HttpRequest) -> HttpResponse:
    """The provider says that a session, or all of somebody, is over."""
    _must_be_on()
    try:
        logout.end_by_provider(request.POST.get("logout_token", ""), now=timezone.now())
    except (TokenRefused, ProviderAway) as error:
        logger.warning("A back-channel logout from %s was refused: %s", sessions.address_of(request), error)
        answer: HttpResponse = JsonResponse({"error": "invalid_request", "error_description": str(error)}, status=400)
    else:
        answer = HttpResponse(status=200)
    answer["Cache-Control"] = "no-store"
    return answer


def _must_be_on() -> None:
    if not discovery.is_on():
        raise Http404
