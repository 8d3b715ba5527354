"""Forms of what ends something: they make sure that it is meant."""

from __future__ import annotations

from typing import Any

from django import forms

from workers.models import Worker


class ReasonForm(forms.Form):
    """Why, for the audit."""

    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Goes into the timeline and the audit.",
    )


class TerminateForm(ReasonForm):
    """The worker's name typed, as a lock against the wrong tab."""

    name = forms.CharField(
        max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"})
    )
    field_order = ["name", "reason"]

    def __init__(self, worker: Worker, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.worker = worker
        self.fields["name"].label = f"Type {worker} to confirm"

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name != str(self.worker).strip():
            raise forms.ValidationError(f"That is not this worker's name; type {self.worker} exactly.")
        return name


class DeleteForm(ReasonForm):
    """Whether an instance that is still there is to go on."""

    keep_instance = forms.BooleanField(
        required=False,
        label="Keep the instance running",
        help_text="EC2 keeps it and goes on charging for it; the portal only forgets it.",
    )
    field_order = ["keep_instance", "reason"]

    def __init__(self, worker: Worker, *args: Any, has_instance: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_instance:
            del self.fields["keep_instance"]
