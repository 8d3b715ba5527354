"""The request as views get it: LoginRequiredMiddleware lets nobody else through."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import SignIn, User


class PersonalRequest(HttpRequest):
    """A request of a signed-in person. Only for annotations; nothing makes one."""

    user: User
    sign_in: SignIn
    htmx: HtmxDetails
