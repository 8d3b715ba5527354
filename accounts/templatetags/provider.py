"""The OpenID provider on the sign-in page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.urls import reverse

from accounts.oidc import discovery, problems
from accounts.oidc.middleware import PROBLEM

register = template.Library()


@register.inclusion_tag("account/components/provider.html", takes_context=True)
def provider_sign_in(context: dict[str, Any]) -> dict[str, Any]:
    """The button, if sign-in with a provider is on, and why somebody was not let in or is here again, if so. It is said once."""
    request = context["request"]
    if not discovery.is_on():
        return {"is_on": False}
    wanted = request.GET.get(REDIRECT_FIELD_NAME) or request.POST.get(REDIRECT_FIELD_NAME)
    address = reverse("oidc_authentication_init")
    problem = request.GET.get("problem") or request.session.pop(PROBLEM, "")
    return {
        "is_on": True,
        "name": settings.OIDC_NAME,
        "address": f"{address}?{urlencode({REDIRECT_FIELD_NAME: wanted})}" if wanted else address,
        "problem": problems.sentence(problem),
    }
