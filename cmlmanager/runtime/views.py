"""The settings page: administrators see and change what the portal does."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.requests import PersonalRequest
from cmlmanager.htmx import vary, wants_fragment
from cmlmanager.runtime import changing, rules
from cmlmanager.runtime.forms import SettingsForm
from cmlmanager.runtime.kinds import Group
from cmlmanager.runtime.registry import BY_NAME, of_group
from cmlmanager.runtime.standing import Standing, standings
from cmlmanager.runtime.template_forms import TemplateForm, facts_of, with_item
from workers.views.asker import asker

STREAM = f"/api/events/stream?channel={changing.CHANNEL}"
TEMPLATES = "PROVISIONING"
# Groups of one form each; the templates have pages of their own.
FORMS = {group.slug: group for group in Group if group is not Group.TEMPLATES}


@require_safe
@permission_required("runtime.view_settingvalue", raise_exception=True)
def settings_page(request: PersonalRequest) -> HttpResponse:
    """Every setting. htmx gets the part that changes."""
    return _show(request)


@require_POST
@permission_required("runtime.change_settingvalue", raise_exception=True)
def settings_save(request: PersonalRequest, group: str) -> HttpResponse:
    """Save one group."""
    if group not in FORMS:
        raise Http404
    form = SettingsForm(standings(of_group(FORMS[group])).values(), request.POST)
    if not form.is_valid():
        form.refuse({}, standings())
        return _show(request, refused=(group, form))
    wanted = form.wanted()
    try:
        names = changing.change(wanted=wanted, seen=form.seen(), by=asker(request), now=timezone.now())
    except changing.UnableToChange as refusal:
        form.refuse(refusal.problems, standings())
        return _show(request, refused=(group, form))
    _say_saved(request, names)
    return redirect(f"{reverse('settings')}#{group}")


@require_POST
@permission_required("runtime.change_settingvalue", raise_exception=True)
def setting_default(request: PersonalRequest) -> HttpResponse:
    """Back to the environment's value: `setting` is name:version, as the page showed it."""
    name, _, version = request.POST.get("setting", "").partition(":")
    if name not in BY_NAME or not version.isdecimal() or not version.isascii() or len(version) > 9:
        raise Http404
    try:
        names = changing.change(wanted={name: None}, seen={name: int(version)}, by=asker(request), now=timezone.now())
    except changing.UnableToChange as refusal:
        messages.warning(request, f"{BY_NAME[name].label}: {refusal}")
    else:
        _say_saved(request, names)
    return redirect(f"{reverse('settings')}#{BY_NAME[name].group.slug}")


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("runtime.change_settingvalue", raise_exception=True)
def template_new(request: PersonalRequest) -> HttpResponse:
    """One more way to make a worker."""
    now_there = _templates()
    form = TemplateForm(request.POST if request.method == "POST" else None, version=now_there.version)
    return _template(request, form, now_there, {})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("runtime.change_settingvalue", raise_exception=True)
def template_edit(request: PersonalRequest, number: int) -> HttpResponse:
    """Change the template that is the `number`-th of the list, from 1."""
    now_there = _templates()
    # A form is taken even when the list has become shorter meanwhile: it says by name which template it is about.
    item = _item(now_there, number) if request.method != "POST" else {"name": request.POST.get("was", "")}
    form = TemplateForm(request.POST if request.method == "POST" else None, item=item, version=now_there.version)
    return _template(request, form, now_there, {"item": item, "number": number})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("runtime.change_settingvalue", raise_exception=True)
def template_delete(request: PersonalRequest, number: int) -> HttpResponse:
    """Offer the `number`-th template no more."""
    now_there = _templates()
    item = _item(now_there, number)
    context = {"item": item, "number": number, "version": now_there.version}
    if request.method != "POST":
        return render(request, "runtime/template_delete.html", context)
    seen, was = request.POST.get("seen", ""), request.POST.get("was", "")
    if not (seen.isascii() and seen.isdecimal() and len(seen) < 10) or was != item.get("name"):
        messages.warning(request, "The templates were changed meanwhile; look again.")
        return redirect(f"{reverse('settings')}#templates")
    rest = with_item(now_there.value, None, was=was)
    try:
        changing.change(wanted={TEMPLATES: rest}, seen={TEMPLATES: int(seen)}, by=asker(request), now=timezone.now())
    except changing.UnableToChange as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, f"{was} is offered no more.")
    return redirect(f"{reverse('settings')}#templates")


def _template(request: PersonalRequest, form: TemplateForm, now_there: Standing, context: dict[str, Any]) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        item, was = form.item, form.cleaned_data["was"]
        items = with_item(now_there.value, item, was=was)
        seen = form.cleaned_data["seen"]
        seen_now = now_there.version if seen is None else seen
        try:
            names = changing.change(
                wanted={TEMPLATES: items}, seen={TEMPLATES: seen_now}, by=asker(request), now=timezone.now()
            )
        except changing.UnableToChange as refusal:
            form.refuse(str(refusal), version=_templates().version)
        else:
            messages.success(request, f"{item['name']} is saved." if names else f"Nothing of {item['name']} was changed.")
            return redirect(f"{reverse('settings')}#templates")
    facts = {"form": form, "is_fixed": now_there.is_fixed}
    return render(request, "runtime/template_form.html", context | facts, status=422 if form.errors else 200)


def _templates() -> Standing:
    return standings([BY_NAME[TEMPLATES]])[TEMPLATES]


def _item(now_there: Standing, number: int) -> dict[str, Any]:
    if not 0 < number <= len(now_there.value):
        raise Http404
    item: dict[str, Any] = now_there.value[number - 1]
    return item


def _show(request: PersonalRequest, refused: tuple[str, SettingsForm] | None = None) -> HttpResponse:
    found = standings()
    forms = {slug: SettingsForm(found[setting.name] for setting in of_group(group)) for slug, group in FORMS.items()}
    if refused:
        forms[refused[0]] = refused[1]
    templates = found[TEMPLATES]
    context = {
        "groups": [(FORMS[slug], form) for slug, form in forms.items()],
        "templates": templates,
        "template_group": Group.TEMPLATES,
        "items": [(item, facts_of(item)) for item in templates.value],
        "advice": rules.advice({name: standing.value for name, standing in found.items()}),
        "refused": refused is not None,
        "may_change": request.user.has_perm("runtime.change_settingvalue"),
        "stream_url": "" if refused else STREAM,  # what was entered, and why not, must not be read away
    }
    whole = refused is not None or not wants_fragment(request)
    answer = render(request, "runtime/settings.html" if whole else "runtime/settings_body.html", context)
    answer.status_code = 422 if refused else 200
    return vary(answer)


def _say_saved(request: PersonalRequest, names: list[str]) -> None:
    if not names:
        messages.info(request, "Nothing was changed.")
        return
    found = standings()
    if len(names) == 1:
        setting = BY_NAME[names[0]]
        messages.success(request, f"{setting.label}: {found[names[0]].words}, {setting.effect}.")
    else:
        messages.success(request, f"{len(names)} settings are saved.")
