"""Forms of tags. A form says only what it showed and what the person changed of that; the rest of the tags stays as EC2 has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.forms import BaseFormSet, formset_factory

from workers import tag_rules
from workers.models import Worker

NEW_ROWS = 10
_TEXT = {"autocomplete": "off", "spellcheck": "false"}


@dataclass
class TagChanges:
    """What is to be set and what to be removed."""

    wanted: dict[str, str] = field(default_factory=dict)
    unwanted: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.wanted or self.unwanted)

    def parameters(self) -> dict[str, Any]:
        """As the operation wants them."""
        return {"set": self.wanted, "remove": self.unwanted}


def _one_line(text: str) -> str:
    # A browser's text field drops line breaks: a value with some must not look changed.
    return "".join(text.splitlines()).strip()


class ShownTagForm(forms.Form):
    """One tag that the worker had when the page was made."""

    key = forms.CharField(max_length=tag_rules.LONGEST_KEY, strip=False, widget=forms.HiddenInput)
    was = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)
    value = forms.CharField(required=False, widget=forms.TextInput(attrs=_TEXT | {"maxlength": tag_rules.LONGEST_VALUE}))
    remove = forms.BooleanField(required=False)

    @property
    def shown_key(self) -> str:
        return str(self["key"].value() or "")

    @property
    def is_changed(self) -> bool:
        return bool(self.cleaned_data["value"] != _one_line(self.cleaned_data["was"]))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        key, value = cleaned.get("key", ""), cleaned.get("value", "")
        if "value" in self.errors or not key:
            return cleaned
        if cleaned.get("remove"):
            if error := tag_rules.removal_error(key):
                self.add_error("remove", error)
        elif value != _one_line(cleaned.get("was", "")):
            error = (tag_rules.key_error(key) if tag_rules.is_fixed(key) else "") or tag_rules.value_error(key, value)
            if error:
                self.add_error("value", error)
        return cleaned


class NewTagForm(forms.Form):
    """One tag to be added; empty rows are none."""

    key = forms.CharField(
        required=False, widget=forms.TextInput(attrs=_TEXT | {"maxlength": tag_rules.LONGEST_KEY, "placeholder": "Key"})
    )
    value = forms.CharField(
        required=False, widget=forms.TextInput(attrs=_TEXT | {"maxlength": tag_rules.LONGEST_VALUE, "placeholder": "Value"})
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        key, value = cleaned.get("key", ""), cleaned.get("value", "")
        if not key:
            if value:
                self.add_error("key", "Enter the key of this value.")
            return cleaned
        for name, error in (("key", tag_rules.key_error(key)), ("value", tag_rules.value_error(key, value))):
            if error:
                self.add_error(name, error)
        return cleaned


class BulkTagForm(NewTagForm):
    """One tag to be set on, or removed from, many workers."""

    remove = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if error := tag_rules.bulk_error(cleaned.get("key", "")):
            self.add_error("key", error)
        if cleaned.get("remove") and cleaned.get("value"):
            self.add_error("value", "A tag that is removed has no value: empty this, or untick Remove.")
        return cleaned


class _UniqueKeys(BaseFormSet):
    """Rows of which no two name one key, nor one of `taken`."""

    taken: dict[str, str] = {}  # set on the instance, never changed in place

    def clean(self) -> None:
        seen = set()
        for form in self.forms:
            key = getattr(form, "cleaned_data", {}).get("key", "")
            if not key:
                continue
            if key in seen:
                form.add_error("key", f"{key} is in another row too.")
            elif key in self.taken:
                form.add_error("key", f"{key} is there already: {self.taken[key]}".rstrip(": "))
            seen.add(key)


ShownTags = formset_factory(ShownTagForm, extra=0, max_num=60, validate_max=True, absolute_max=60)
NewTags = formset_factory(NewTagForm, formset=_UniqueKeys, extra=NEW_ROWS, max_num=NEW_ROWS, validate_max=True, absolute_max=20)
BulkTags = formset_factory(BulkTagForm, formset=_UniqueKeys, extra=4, max_num=NEW_ROWS, validate_max=True, absolute_max=20)


class TagsForm:
    """The tags of one worker: those it has, and rows for new ones."""

    def __init__(self, worker: Worker, data: Any = None) -> None:
        self.worker = worker
        editable = {key: value for key, value in worker.tags.items() if not tag_rules.is_fixed(key)}
        # Name first: it is what most people come for.
        ordered = sorted(editable.items(), key=lambda pair: (pair[0] != tag_rules.NAME, pair[0].lower()))
        initial = [{"key": key, "was": value, "value": value} for key, value in ordered]
        self.shown = ShownTags(data, initial=None if data is not None else initial, prefix="shown", auto_id="%s")
        self.new = NewTags(data, prefix="new", auto_id="%s")
        self.new.taken = worker.tags  # type: ignore[attr-defined]
        self.fixed = [(key, value) for key, value in worker.tags.items() if tag_rules.is_fixed(key)]
        self.changes = TagChanges()
        self.error = ""

    def is_valid(self) -> bool:
        """Whether it can be done; then `changes` say what. Otherwise the errors are in the rows, or in `error`."""
        if not (self.shown.is_valid() & self.new.is_valid()):
            rows = [*self.shown.non_form_errors(), *self.new.non_form_errors()]
            self.error = " ".join(rows) or "Nothing was changed: see the fields marked below."
            return False
        for form in self.shown.forms:
            key = form.cleaned_data["key"]
            if form.cleaned_data["remove"]:
                self.changes.unwanted.append(key)
            elif form.is_changed:
                self.changes.wanted[key] = form.cleaned_data["value"]
        self.changes.wanted |= entered(self.new).wanted
        self.error = tag_rules.too_many(self.worker, self.changes.wanted, self.changes.unwanted)
        if not self.error and not self.changes:
            self.error = "Nothing is changed yet."
        return not self.error


def entered(rows: BaseFormSet) -> TagChanges:
    """What valid rows say."""
    changes = TagChanges()
    for form in rows.forms:
        key = form.cleaned_data.get("key", "")
        if key and form.cleaned_data.get("remove"):
            changes.unwanted.append(key)
        elif key:
            changes.wanted[key] = form.cleaned_data["value"]
    return changes
