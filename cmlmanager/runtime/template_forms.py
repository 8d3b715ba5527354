"""The form of one way to make a worker: what the form for a new worker begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict

from workers import provisioning
from workers.creation_forms import CreateWorkerForm

_ORDER = ("name", "description", "region")


def _regions() -> list[tuple[str, str]]:
    return [("", "Whichever is chosen then"), *((region, region) for region in settings.AWS_REGIONS)]


class TemplateForm(CreateWorkerForm):
    """Everything but the name may be left open, for whoever makes a worker. `item` is the cleaned answer, as PROVISIONING holds it."""

    field_order = _ORDER

    description = forms.CharField(
        label="Description",
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="What it is for, in a few words.",
    )
    seen = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    was = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, item: Mapping[str, Any] | None = None, version: int = 0) -> None:
        initial: dict[str, Any] = {"seen": version}
        if item is not None:
            initial |= dict(item) | {"was": item.get("name", "")}
            initial["security_group_ids"] = ", ".join(item.get("security_group_ids", ()))
            initial["tags"] = "\n".join(f"{key}={value}" for key, value in item.get("tags", {}).items())
        super().__init__(data, initial=initial)
        del self.fields["require_imds_v2"]
        self.fields["region"] = forms.ChoiceField(label="Region", choices=_regions, required=False)
        for name in ("instance_type", "image"):
            self.fields[name].required = False
        self.fields["instance_type"].initial = ""
        self.fields["name"] = forms.CharField(
            label="Name",
            max_length=80,
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
            help_text="How people here call this way.",
        )
        self.order_fields(_ORDER)

    def clean_name(self) -> str:
        return str(self.cleaned_data["name"])

    def clean_instance_type(self) -> str:
        return super().clean_instance_type() if self.cleaned_data["instance_type"] else ""

    def clean_image(self) -> str:
        return super().clean_image() if self.cleaned_data["image"] else ""

    @property
    def item(self) -> dict[str, Any]:
        """The template, without what was left open."""
        wanted = {name: value for name, value in self.cleaned_data.items() if name not in {"seen", "was"}}
        return {name: value for name, value in wanted.items() if value not in ("", None, False, [], {})}

    def refuse(self, sentence: str, *, version: int) -> None:
        """Say why nothing was saved. What is in force now counts as seen: saving again means it."""
        self.add_error(None, sentence)
        assert isinstance(self.data, QueryDict)
        data = self.data.copy()
        data["seen"] = str(version)
        self.data = data


def with_item(items: list[dict[str, Any]], item: dict[str, Any] | None, *, was: str) -> list[dict[str, Any]]:
    """`items` with the template that was named `was` replaced by `item`, or without it (None); a new one stands last."""
    found = [new for old in items for new in ([item] if old.get("name") == was else [old]) if new is not None]
    if item is not None and not any(old.get("name") == was for old in items):
        found.append(item)
    return found


def facts_of(item: Mapping[str, Any]) -> list[str]:
    """What a template says, for one line of the list."""
    template = next(iter(provisioning.templates([item])), None)
    if template is None:
        return []
    words = [template.region, template.instance_type, template.image, template.subnet_id]
    return [word for word in words if word]
