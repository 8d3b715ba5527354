"""The ways between a page of the portal and the same thing in the Django admin."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

# What in an address says which row a page is about, the most special first → app_label.model.
_OF_KEYWORD = {
    "delivery_id": "workers.delivery",
    "target_id": "workers.notificationtarget",
    "alert_id": "workers.alert",
    "operation_id": "workers.operation",
    "version_id": "labs.labversion",
    "lab_id": "labs.lab",
    "worker_id": "workers.worker",
}
# The list of a model in the portal, by the address's name.
_LISTS = {
    "workers.worker": "fleet",
    "workers.operation": "operations",
    "workers.alert": "alerts",
    "workers.alertthreshold": "alert-thresholds",
    "workers.alertmute": "alert-thresholds",
    "workers.event": "audit",
    "workers.notificationtarget": "notifications",
    "workers.delivery": "notifications",
    "workers.doubtfulseat": "licenses",
    "workers.strayinstance": "fleet",
    "labs.lab": "labs",
    "labs.labversion": "labs-kept",
    "runtime.settingvalue": "settings",
}
_OF_PAGE = {page: model for model, page in reversed(_LISTS.items())}


@register.simple_tag(takes_context=True)
def desk_link(context: dict[str, Any]) -> SafeString | str:
    """ "In Django admin": the row or the list that the page is about, for staff who may see it there; "" for everybody else."""
    request = context.get("request")
    user = getattr(request, "user", None)
    match = getattr(request, "resolver_match", None)
    if match is None or user is None or not (user.is_active and user.is_staff):
        return ""
    keyword = next((keyword for keyword in _OF_KEYWORD if keyword in match.kwargs), "")
    model = _OF_KEYWORD.get(keyword) or _OF_PAGE.get(match.url_name or "", "")
    if not model:
        return format_html('<a class="desk-link" href="{}">Django admin</a>', reverse("admin:index"))
    app, _, name = model.partition(".")
    if not user.has_perm(f"{app}.view_{name}"):
        return ""
    address = (
        reverse(f"admin:{app}_{name}_change", args=[match.kwargs[keyword]])
        if keyword
        else reverse(f"admin:{app}_{name}_changelist")
    )
    return format_html('<a class="desk-link" href="{}">In Django admin</a>', address)


@register.simple_tag(takes_context=True)
def portal_link(context: dict[str, Any]) -> SafeString:
    """ "Open in the portal": the page of the row or list that the admin shows; the fleet where there is none."""
    options = context.get("opts")
    address = context.get("absolute_url")
    if not address:
        page = _LISTS.get(f"{options.app_label}.{options.model_name}", "") if options else ""
        try:
            address = reverse(page or "fleet")
        except NoReverseMatch:
            address = reverse("fleet")
        label = "Open in the portal" if page else "Back to the fleet"
    else:
        label = "Open in the portal"
    return format_html('<a href="{}">← {}</a>', address, label)
