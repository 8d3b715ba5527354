"""Forms of one's own account."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings

from accounts.models import User
from accounts.models.api_token import NAME_LENGTH
from accounts.roles import Role


def time_zones() -> list[tuple[str, str]]:
    """IANA zones for a select: names with a region, and UTC first. Cheap: the standard library caches the directory listing."""
    regional = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in regional)]


class PreferencesForm(forms.ModelForm):
    """How the portal looks and tells the time for one person."""

    time_zone = forms.ChoiceField(choices=time_zones, help_text="All times in the portal are shown in this zone.")

    class Meta:
        model = User
        fields = ["time_zone", "colour_scheme"]
        widgets = {"colour_scheme": forms.RadioSelect}
        labels = {"colour_scheme": "Colours"}


class ApiTokenForm(forms.Form):
    """A new API token: what for, what it may, for how long."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        help_text="Where it is used, so that you know later which one to revoke. For example: nightly report on build-3.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(
        label="Role", widget=forms.RadioSelect, help_text="The least that does the job. It never may more than you do."
    )
    days = forms.IntegerField()

    def __init__(self, data: Any = None, *, roles: Iterable[Role]) -> None:
        longest = settings.API_TOKEN_DAYS
        super().__init__(data, initial={"scope": Role.USER, "days": min(90, longest)})
        self.fields["scope"].choices = [(role.value, role.label) for role in roles]  # type: ignore[attr-defined]
        self.fields["days"] = forms.IntegerField(
            label="Days until it expires", min_value=1, max_value=longest, help_text=f"At most {longest}."
        )
