"""One's own account."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.access import role_not_required
from accounts.forms import PreferencesForm
from accounts.requests import PersonalRequest


@role_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: PersonalRequest) -> HttpResponse:
    """Name, role, and the preferences form."""
    form = PreferencesForm(request.POST if request.method == "POST" else None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Preferences saved.")
        return redirect("account")
    return render(request, "accounts/account.html", {"form": form}, status=422 if form.errors else 200)
