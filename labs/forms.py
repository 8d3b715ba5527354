"""Forms about labs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from labs import yaml_checks
from labs.models import Lab
from workers.choices import MachineState
from workers.life_forms import ReasonForm
from workers.models import Worker

LONGEST_PASTE = 1_000_000  # characters: what is larger is uploaded as a file
LIMIT = "5 MB"


class WipeLabForm(ReasonForm):
    """Why, and whether it goes on when the lab cannot be saved first."""

    unsaved = forms.BooleanField(
        required=False,
        label="Go on even if the lab cannot be saved first",
        help_text="Say why in the reason. It goes into the audit.",
    )
    field_order = ["unsaved", "reason"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("unsaved") and not cleaned.get("reason", "").strip():
            self.add_error("reason", "Say why it may go on without being saved.")
        return cleaned


class DeleteLabForm(WipeLabForm):
    """The lab's title typed, as a lock against the wrong tab."""

    title = forms.CharField(
        max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"})
    )
    field_order = ["title", "unsaved", "reason"]

    def __init__(self, lab: Lab, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lab = lab
        self.fields["title"].label = f"Type {_plain(str(lab))} to confirm"

    def clean_title(self) -> str:
        title = str(self.cleaned_data["title"])
        if _plain(title) != _plain(str(self.lab)):
            raise forms.ValidationError(f"That is not this lab’s title; type {_plain(str(self.lab))} exactly.")
        return title


def _plain(title: str) -> str:
    """As a browser shows and sends it: spaces in a row look like one."""
    return " ".join(title.split())


class WorkerChoice(forms.ModelChoiceField):
    """A worker, with how its CML is."""

    def label_from_instance(self, obj: Any) -> str:
        version = f", CML {obj.cml_version.partition('+')[0]}" if obj.cml_version else ""
        return f"{obj} ({obj.region}{version}, {obj.service.label.lower()})"


class ImportForm(ReasonForm):
    """A lab's YAML, as a file or pasted, and where it is to go."""

    worker = WorkerChoice(
        queryset=Worker.objects.none(), empty_label="Choose a worker", help_text="Workers that run. Its CML must be ready."
    )
    file = forms.FileField(
        required=False,
        label="YAML file",
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,.json,application/x-yaml"}),
        help_text=f"As CML’s own download makes it, up to {LIMIT}.",
    )
    text = forms.CharField(
        required=False,
        strip=False,
        max_length=LONGEST_PASTE,
        label="Or paste the YAML",
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "autocapitalize": "off", "class": "mono"}),
        help_text="Up to one million characters.",
    )
    title = forms.CharField(
        required=False,
        max_length=yaml_checks.LONGEST_TITLE,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Left empty: the one in the YAML.",
    )
    without_images = forms.BooleanField(
        required=False,
        label="Import it even if CML lacks some of its images",
        help_text="Nodes that need them will not start. A missing node definition always stops the import.",
    )
    field_order = ["worker", "file", "text", "title", "without_images", "reason"]

    def __init__(self, workers: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: forms.ModelChoiceField[Any] = self.fields["worker"]  # type: ignore[assignment]
        choices.queryset = workers.filter(machine_state=MachineState.RUNNING).order_by("name", "id")

    def clean(self) -> dict[str, Any]:
        """Adds `yaml`, the text that goes to CML."""
        cleaned = super().clean() or {}
        file, pasted = cleaned.get("file"), cleaned.get("text") or ""
        if self.errors.keys() & {"file", "text"}:
            return cleaned
        if bool(file) == bool(pasted.strip()):
            self.add_error(
                "file", "Choose a file or paste the YAML, not both." if file else "Choose a file, or paste the YAML below."
            )
            return cleaned
        try:
            cleaned["yaml"] = _text(file) if file else pasted
            yaml_checks.read(cleaned["yaml"])
        except yaml_checks.UnusableYaml as problem:
            self.add_error("file" if file else "text", problem.sentence)
        return cleaned


def _text(file: UploadedFile) -> str:
    if (file.size or 0) > yaml_checks.MOST_BYTES:
        raise yaml_checks.UnusableYaml(f"It is larger than {LIMIT}, which is more than the portal takes.")
    return yaml_checks.decoded(file.read())


class BackupForm(ReasonForm):
    """A note for the version, and whether running configurations are read first."""

    note = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Stays beside the version: what it is good for.",
    )
    extract = forms.BooleanField(
        required=False,
        label="Read the configurations of running nodes first",
        help_text="CML types on each node’s console for that; it takes up to a minute a node.",
    )
    field_order = ["note", "extract"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["reason"]


class RestoreForm(ReasonForm):
    """Where a version is to go, and under which title."""

    worker = WorkerChoice(
        queryset=Worker.objects.none(), empty_label="Choose a worker", help_text="Workers that run. Its CML must be ready."
    )
    title = forms.CharField(
        required=False,
        max_length=yaml_checks.LONGEST_TITLE,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Left empty: as the lab was called.",
    )
    without_images = forms.BooleanField(
        required=False,
        label="Restore it even if CML lacks some of its images",
        help_text="Nodes that need them will not start. A missing node definition always stops the restore.",
    )
    field_order = ["worker", "title", "without_images", "reason"]

    def __init__(self, workers: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: forms.ModelChoiceField[Any] = self.fields["worker"]  # type: ignore[assignment]
        choices.queryset = workers.filter(machine_state=MachineState.RUNNING).order_by("name", "id")
