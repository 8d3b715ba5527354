"""Which days of a worker's history are wanted as a file."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from cmlmanager import runtime

SAMPLES, HOURS = "samples", "hours"


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


class HistoryRangeForm(forms.Form):
    """Days are the viewer's, the last one counts too."""

    from_ = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    to = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}))
    detail = forms.ChoiceField(
        label="Detail",
        required=False,
        choices=[("", "As fine as there is"), (SAMPLES, "Every reading"), (HOURS, "Means of hours")],
    )

    def add_prefix(self, field_name: str) -> str:
        # The address says from and to, which Python does not allow as a name.
        return super().add_prefix(field_name.rstrip("_"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("from_"), cleaned.get("to")
        if first and last and last < first:
            self.add_error("to", "This day is before the first one.")
        for name, day in (("from_", first), ("to", last)):
            if day and not 2000 <= day.year <= 2100:
                self.add_error(name, "Give a year between 2000 and 2100.")
        return cleaned

    @property
    def start(self) -> datetime:
        """The beginning of the first day. Only of a valid form."""
        return _midnight(self.cleaned_data["from_"])

    @property
    def end(self) -> datetime:
        """The end of the last day."""
        return _midnight(self.cleaned_data["to"] + timedelta(days=1))

    def detail_for(self, *, now: datetime) -> str:
        """What was chosen, else samples where the portal still has them for all of the days."""
        kept_since = now - timedelta(days=runtime.value("SAMPLE_DAYS"))
        return self.cleaned_data["detail"] or (SAMPLES if self.start >= kept_since else HOURS)
