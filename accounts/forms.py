"""Forms of one's own account."""

from __future__ import annotations

import zoneinfo

from django import forms

from accounts.models import User


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
