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
    """The worker's name typed, as a lock against the wrong tab; and what may be lost: labs that cannot be saved, and a seat that its CML holds."""

    name = forms.CharField(
        max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"})
    )
    give_up_seat = forms.BooleanField(
        label="Terminate even if the licence cannot be given back",
        required=False,
        help_text="Its seat may then stay taken in Cisco’s account; it is listed as doubtful under Licences.",
    )
    seat_reason = forms.CharField(
        label="Why that is acceptable",
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Goes into the audit.",
    )
    give_up_labs = forms.BooleanField(
        label="Terminate even if its labs cannot be saved",
        required=False,
        help_text="Labs that are not saved are then lost with the disk.",
    )
    labs_reason = forms.CharField(
        label="Why they may be lost",
        required=False,
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Goes into the audit.",
    )
    field_order = ["give_up_labs", "labs_reason", "give_up_seat", "seat_reason", "name", "reason"]

    def __init__(
        self,
        worker: Worker,
        *args: Any,
        seat_at_stake: bool = False,
        can_give_back: bool = True,
        labs_at_stake: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.worker = worker
        self.can_give_back = can_give_back
        self.fields["name"].label = f"Type {worker} to confirm"
        if not seat_at_stake:
            del self.fields["give_up_seat"], self.fields["seat_reason"]
        if not labs_at_stake:
            del self.fields["give_up_labs"], self.fields["labs_reason"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("give_up_labs") and not cleaned.get("labs_reason", "").strip():
            self.add_error("labs_reason", "Say why: it goes into the audit.")
        if "give_up_seat" not in self.fields:
            return cleaned
        if not cleaned.get("give_up_seat") and not self.can_give_back:
            state = self.worker.machine.label.lower()
            self.add_error(
                "give_up_seat",
                f"{self.worker} is {state}, so its CML cannot give the licence back: start it first, or tick this.",
            )
        if cleaned.get("give_up_seat") and not cleaned.get("seat_reason", "").strip():
            self.add_error("seat_reason", "Say why: it goes into the audit.")
        return cleaned

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
