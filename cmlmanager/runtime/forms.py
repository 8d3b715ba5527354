"""The form of one group of settings. It cleans; `changing` decides. What was not touched is not changed, whatever others do meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict

from cmlmanager.runtime.kinds import Line, Names, Number, Setting, Switch
from cmlmanager.runtime.standing import Standing

_EXACT = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


@dataclass(frozen=True)
class Row:
    """One setting on the page: how it stands, its field, and the hidden one that says what the person saw."""

    standing: Standing
    field: BoundField
    seen: BoundField


class SettingsForm(forms.Form):
    """The settings of one group."""

    def __init__(self, standings: Iterable[Standing], data: QueryDict | None = None) -> None:
        super().__init__(data, auto_id="%s")
        self.standings = {standing.name: standing for standing in standings}
        for name, standing in self.standings.items():
            field = _field(standing.setting)
            field.initial, field.disabled = standing.value, standing.is_fixed
            self.fields[name] = field
            self.fields[_seen(name)] = forms.CharField(required=False, widget=forms.HiddenInput, initial=_as_seen(standing))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, standing in self.standings.items():
            if name in cleaned and not standing.is_fixed:
                try:
                    cleaned[name] = standing.setting.clean(cleaned[name])
                except ValueError as error:
                    self.add_error(name, str(error))
        return cleaned

    def wanted(self) -> dict[str, Any]:
        """What the person entered otherwise than they had seen it."""
        return {name: self.cleaned_data[name] for name in self.standings if self._is_touched(name)}

    def seen(self) -> dict[str, int]:
        """The versions of those that the person saw."""
        return {name: self._seen_by_person(name)[0] for name in self.wanted()}

    def refuse(self, problems: Mapping[str, str], standings: Mapping[str, Standing]) -> None:
        """Say why nothing was saved, beside the fields.

        The page then shows what is in force now where the person touched nothing, and takes it as seen: saving again means it.
        """
        touched = {name for name in self.standings if name in self.errors or self._is_touched(name)}
        for name, sentence in problems.items():
            self.add_error(name if name in self.fields else None, sentence)
        assert isinstance(self.data, QueryDict)
        data = self.data.copy()
        for name in self.standings:
            standing = standings[name]
            data[_seen(name)] = _as_seen(standing)
            if name in touched:
                continue
            if isinstance(standing.value, list):
                data.setlist(name, standing.value)
            elif standing.value is False:
                data.pop(name, None)
            else:
                data[name] = "on" if standing.value is True else standing.value
        self.data = data
        self.standings = {name: standings[name] for name in self.standings}

    def rows(self) -> list[Row]:
        """The form as the page shows it."""
        return [Row(standing, self[name], self[_seen(name)]) for name, standing in self.standings.items()]

    def _is_touched(self, name: str) -> bool:
        if self.standings[name].is_fixed or name not in self.cleaned_data:
            return False
        return bool(self.cleaned_data[name] != self._seen_by_person(name)[1])

    def _seen_by_person(self, name: str) -> tuple[int, Any]:
        """The version and the value that stood in the page; those of now for a page that does not say."""
        standing = self.standings[name]
        try:
            version, value = json.loads(self.cleaned_data.get(_seen(name), ""))
        except ValueError:
            return standing.version, standing.value
        return (version, value) if isinstance(version, int) else (standing.version, standing.value)


def _seen(name: str) -> str:
    return f"seen_{name}"


def _as_seen(standing: Standing) -> str:
    return json.dumps([standing.version, standing.value])


def _field(setting: Setting) -> forms.Field:
    if isinstance(setting, Number):
        bounds = {"min": setting.minimum, "max": setting.maximum, "inputmode": "numeric"}
        return forms.IntegerField(
            label=setting.label,
            help_text=setting.explanation,
            widget=forms.NumberInput(attrs=bounds),
            error_messages={"invalid": "A whole number.", "required": f"From {setting.minimum:,} to {setting.maximum:,}."},
        )
    if isinstance(setting, Switch):
        return forms.BooleanField(label=setting.label, help_text=setting.explanation, required=False)
    if isinstance(setting, Names):
        return forms.MultipleChoiceField(
            label=setting.label,
            help_text=setting.explanation,
            choices=[(name, name) for name in setting.choices],
            widget=forms.CheckboxSelectMultiple,
            error_messages={"required": "At least one."},
            required=not setting.none,
        )
    longest = setting.longest if isinstance(setting, Line) else 400
    return forms.CharField(
        label=setting.label,
        help_text=setting.explanation,
        required=False,
        max_length=longest,
        widget=forms.TextInput(attrs=_EXACT),
    )
