"""Renewal around every request. Stands before the middleware that judges sessions, so that one which was overdue gets its chance."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.oidc import discovery, renewal

logger = logging.getLogger(__name__)
# Where the next session keeps why the one before has ended, for the sign-in page.
PROBLEM = "oidc_problem"


class RenewalMiddleware:
    """Asks the provider about sessions that are due, and ends those that it has ended: what follows sees a person who is signed out."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        if discovery.is_on() and renewal.is_due(request.session, now=now) and request.user.is_authenticated:
            try:
                user = renewal.renew(request.session, now=now)
            except renewal.Ended as ended:
                logger.info("The session of %s has ended: %s", request.user.get_username(), ended)
                renewal.end(request.session, request.user)
                request.session.flush()
                request.user = AnonymousUser()
                request.session[PROBLEM] = ended.problem.value
            else:
                if user is not None:
                    request.user = user
        return self.get_response(request)
