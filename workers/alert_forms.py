"""Forms about alerts. They clean; services decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.forms import BoundField

from workers.alert_choices import LONGEST_HOLD, SCALES, AlertKind, Lines
from workers.alert_lines import Setting, problem_of

# How long a kind can be muted: hours → words; nought is until somebody lifts it.
SPANS = (("1", "1 hour"), ("8", "8 hours"), ("24", "1 day"), ("168", "1 week"), ("0", "Until it is lifted"))


@dataclass(frozen=True)
class Row:
    """One kind on the page: what is in force and whose it is, and its fields (`minutes` None where there is nothing to wait for)."""

    kind: AlertKind
    setting: Setting
    warning: BoundField
    critical: BoundField
    minutes: BoundField | None
    error: str

    @property
    def unit(self) -> str:
        return SCALES[self.kind].unit

    @property
    def question(self) -> str:
        return SCALES[self.kind].question

    @property
    def is_own(self) -> bool:
        return self.setting.lines != self.setting.default or self.setting.source == "own"


class LinesForm(forms.Form):
    """Own lines of every kind; a kind whose fields are all empty follows the default, which the empty fields show."""

    def __init__(self, settings: dict[AlertKind, Setting], *args: Any, own: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = settings
        for kind, setting in settings.items():
            stored = setting.lines if setting.source == own else None
            scale = SCALES[kind]
            names = {"warning": scale.most, "critical": scale.most} | ({"minutes": LONGEST_HOLD} if scale.holds else {})
            for name, most in names.items():
                self.fields[f"{kind}_{name}"] = self._number(
                    label=f"{kind.label}, {name}",
                    least=0 if name == "minutes" else 1,
                    most=most,
                    initial=getattr(stored, name, None),
                    default=getattr(setting.default, name),
                )

    @staticmethod
    def _number(*, label: str, least: int, most: int, initial: int | None, default: int) -> forms.IntegerField:
        attributes = {"placeholder": str(default), "inputmode": "numeric", "aria-label": label}
        return forms.IntegerField(
            label=label,
            required=False,
            min_value=least,
            max_value=most,
            initial=initial,
            widget=forms.NumberInput(attrs=attributes),
            error_messages={"min_value": f"At least {least}.", "max_value": f"At most {most}.", "invalid": "A whole number."},
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for kind in self.settings:
            if any(f"{kind}_{name}" in self.errors for name in ("warning", "critical", "minutes")):
                continue
            lines = self._lines(kind)
            problem = problem_of(kind, lines) if lines else ""
            if problem:
                self.add_error(f"{kind}_critical", problem)
        return cleaned

    def wanted(self) -> dict[AlertKind, Lines | None]:
        """What was entered for each kind; None where everything was left empty."""
        return {kind: self._lines(kind) for kind in self.settings}

    def _lines(self, kind: AlertKind) -> Lines | None:
        """Lines with the default where one field was left empty: they are stored together."""
        default = self.settings[kind].default
        values = [self.cleaned_data.get(f"{kind}_{name}") for name in ("warning", "critical", "minutes")]
        if all(value is None for value in values):
            return None
        usual = (default.warning, default.critical, default.minutes)
        return Lines(*(given if given is not None else other for given, other in zip(values, usual, strict=True)))

    def rows(self) -> list[Row]:
        """The form as the page shows it: a row a kind."""
        return [self._row(kind, setting) for kind, setting in self.settings.items()]

    def _row(self, kind: AlertKind, setting: Setting) -> Row:
        names = [name for name in (f"{kind}_warning", f"{kind}_critical", f"{kind}_minutes") if name in self.fields]
        errors = [str(error) for name in names for error in self.errors.get(name, ())]
        minutes = self[names[2]] if len(names) > 2 else None
        return Row(kind, setting, self[names[0]], self[names[1]], minutes, " ".join(errors))


class MuteForm(forms.Form):
    """Hear nothing of one kind for a while."""

    kind = forms.ChoiceField(choices=AlertKind.choices)
    hours = forms.ChoiceField(label="For", choices=SPANS, initial="8")
    reason = forms.CharField(label="Why", max_length=500, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def until(self, now: datetime) -> datetime | None:
        hours = int(self.cleaned_data["hours"])
        return now + timedelta(hours=hours) if hours else None
