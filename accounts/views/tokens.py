"""One's own API tokens."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import role_not_required
from accounts.forms import ApiTokenForm
from accounts.requests import PersonalRequest
from accounts.roles import Role
from accounts.services import sessions, tokens


@role_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def own_tokens(request: PersonalRequest) -> HttpResponse:
    """The tokens that there are, and the form for a new one; after a POST the new one's text, once."""
    form = ApiTokenForm(request.POST if request.method == "POST" else None, roles=tokens.roles_for(request.user))
    if request.method == "POST" and form.is_valid():
        try:
            made, text = tokens.make(
                request.user,
                name=form.cleaned_data["name"],
                scope=Role(form.cleaned_data["scope"]),
                days=form.cleaned_data["days"],
                by=request.user,
                address=sessions.address_of(request),
                now=timezone.now(),
            )
        except tokens.UnableToMake as error:
            form.add_error(error.field or None, str(error))
        else:
            # Not a redirect: the text is nowhere to be read again.
            return render(request, "accounts/token_made.html", {"made": made, "text": text}, status=201)
    now = timezone.now()
    usable = request.user.api_tokens.usable(now)
    context = {
        "form": form,
        "tokens": usable,
        "past": request.user.api_tokens.exclude(pk__in=usable.values("pk"))[:10],
        "limit": settings.API_TOKENS_PER_PERSON,
        "may_make": request.user.role is not None,
    }
    return render(request, "accounts/tokens.html", context, status=422 if form.errors else 200)


@role_not_required
@require_POST
def revoke(request: PersonalRequest, token_id: int) -> HttpResponse:
    """End one of one's own tokens."""
    token = get_object_or_404(request.user.api_tokens, pk=token_id)
    if tokens.revoke(token, by=request.user, address=sessions.address_of(request), now=timezone.now()):
        messages.success(request, f"“{token.name}” is revoked: it opens nothing any more.")
    else:
        messages.info(request, f"“{token.name}” was revoked already.")
    return redirect("api-tokens")
