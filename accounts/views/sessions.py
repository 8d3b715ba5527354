"""Where one is signed in, and how to end it; what an open page asks of its own session."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import browsers
from accounts.access import role_not_required
from accounts.models import SignIn
from accounts.requests import PersonalRequest
from accounts.services import sessions


@role_not_required
@require_safe
def own_sessions(request: PersonalRequest) -> HttpResponse:
    """Every browser in which one is signed in, this one first."""
    now = timezone.now()
    here = request.sign_in.pk
    found = sorted(request.user.sign_ins.alive(now), key=lambda sign_in: sign_in.pk != here)
    rows = [{"sign_in": one, "browser": browsers.in_words(one.user_agent), "is_here": one.pk == here} for one in found]
    context = {"rows": rows, "hours": settings.SESSION_COOKIE_AGE // 3600, "idle_minutes": settings.SESSION_IDLE_SECONDS // 60}
    return render(request, "accounts/sessions.html", context)


@role_not_required
@require_POST
def end_session(request: PersonalRequest, sign_in_id: uuid.UUID) -> HttpResponse:
    """End one of one's own sessions. Ending this one is signing out."""
    address, now = sessions.address_of(request), timezone.now()
    if sessions.end_chosen([sign_in_id], user=request.user, by=request.user, address=address, now=now):
        messages.success(request, "The session is ended. Its open pages say so within half a minute.")
    else:
        messages.info(request, "This session was over already.")
    return redirect("sessions")


@role_not_required
@require_POST
def sign_out_everywhere(request: PersonalRequest) -> HttpResponse:
    """End all of one's sessions; with `others`, all but this one."""
    keep = request.session.session_key if "others" in request.POST else None
    address, now = sessions.address_of(request), timezone.now()
    count = sessions.end_sessions(user=request.user, except_key=keep, by=request.user, address=address, now=now)
    if keep is None:
        logout(request)
        messages.success(request, "You are signed out everywhere.")
        return redirect("account_login")
    messages.success(
        request, f"{count} other session{' is' if count == 1 else 's are'} ended." if count else "There was no other."
    )
    return redirect("sessions")


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def this_session(request: HttpRequest) -> HttpResponse:
    """For the page's script: how long the session still lasts; POST keeps it alive. 401 when it is over."""
    sign_in: SignIn | None = getattr(request, "sign_in", None)
    if sign_in is None:
        return JsonResponse({"detail": "This session is over."}, status=401, headers={"Cache-Control": "no-store"})
    now = timezone.now()
    if request.method == "POST":
        sessions.touch(sign_in, address=sessions.address_of(request), now=now, exactly=True)
    return JsonResponse(sign_in.time_left(now), headers={"Cache-Control": "no-store"})
