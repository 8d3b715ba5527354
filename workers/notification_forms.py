"""The form of a notification target. What goes in as a secret never comes out, not even beside an error."""

from __future__ import annotations

from typing import Any

from django import forms

from workers import aws_accounts
from workers.models import NotificationTarget
from workers.notification_choices import NoticeType, Severity, TargetKind


class WriteOnlyInput(forms.TextInput):
    """Shows what is being typed, and nothing that was typed before."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


_ADDRESS_HELP = {
    TargetKind.WEBHOOK: "Where the events are posted, for example https://hooks.example.com/cml.",
    TargetKind.SLACK: "The address of an incoming webhook, https://hooks.slack.com/services/…, or a bot token, xoxb-….",
    TargetKind.TEAMS: "The whole address that Workflows shows after “Post to a channel when a webhook request is received”.",
    TargetKind.WEBEX: "The address of an incoming webhook, https://webexapis.com/v1/webhooks/incoming/….",
}
_KEEP = " Stored encrypted and never shown again."
_TEXT = {"autocomplete": "off", "spellcheck": "false"}


class TargetForm(forms.Form):
    """A target of one kind, new or, with `target`, stored."""

    name = forms.CharField(
        max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"}), help_text="How people here call it."
    )
    recipients = forms.CharField(
        label="Addresses",
        required=False,
        max_length=6_000,
        widget=forms.Textarea(attrs={"rows": 3, **_TEXT}),
        help_text="Separated by commas or lines. All stand in the same message and see each other.",
    )
    address = forms.CharField(label="Address", required=False, max_length=2_000, widget=WriteOnlyInput(attrs=_TEXT))
    channel = forms.CharField(
        label="Channel of the bot",
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs=_TEXT),
        help_text="Only with a bot token: #name or id. Invite the bot into it. A webhook has its channel in itself.",
    )
    minimum = forms.ChoiceField(
        label="From which severity on",
        choices=Severity.choices,
        widget=forms.RadioSelect,
        initial=Severity.WARNING,
    )
    types = forms.MultipleChoiceField(
        label="Only these events",
        required=False,
        choices=NoticeType.selectable,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all, and those that later versions add.",
    )
    regions = forms.MultipleChoiceField(
        label="Only workers in these regions",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all, and what concerns no worker.",
    )
    tag = forms.CharField(
        label="Only workers with this tag",
        required=False,
        max_length=385,
        widget=forms.TextInput(attrs=_TEXT),
        help_text="Key or Key=value, for example Team=training.",
    )
    tell_closed = forms.BooleanField(label="Tell also when an alert closes", required=False, initial=True)

    def __init__(self, kind: TargetKind, data: Any = None, *, target: NotificationTarget | None = None) -> None:
        super().__init__(data, initial=_initial(target) if target else {})
        regions = list(dict.fromkeys([*aws_accounts.regions(), *(target.regions if target else ())]))
        self.fields["regions"].choices = [(region, region) for region in regions]  # type: ignore[attr-defined]
        unused = {"address", "channel"} if kind == TargetKind.EMAIL else {"recipients"}
        for name in unused | ({"channel"} if kind != TargetKind.SLACK else set()):
            del self.fields[name]
        if kind == TargetKind.EMAIL:
            self.fields["recipients"].required = True
        else:
            keep = " Leave empty to keep the stored one." if target else ""
            self.fields["address"].help_text = _ADDRESS_HELP[kind] + _KEEP + keep
            self.fields["address"].required = target is None

    def clean_name(self) -> str:
        name = " ".join(str(self.cleaned_data["name"]).split())
        if not name.isprintable():
            raise forms.ValidationError("Use letters, figures and signs that can be seen.")
        return name

    def clean_tag(self) -> str:
        key, equals, value = str(self.cleaned_data["tag"]).strip().partition("=")
        if equals and not key.strip():
            raise forms.ValidationError("Write the tag as Key or Key=value.")
        if len(key) > 128 or len(value) > 256:
            raise forms.ValidationError("EC2 has no keys longer than 128 and no values longer than 256 characters.")
        return f"{key.strip()}={value.strip()}" if equals else key.strip()


def _initial(target: NotificationTarget) -> dict[str, Any]:
    names = ("name", "minimum", "types", "regions", "tag", "tell_closed")
    fields = {name: getattr(target, name) for name in names}
    if target.way == TargetKind.EMAIL:
        return fields | {"recipients": "\n".join(target.recipients)}
    return fields | {"channel": target.recipients[0] if target.recipients else ""}


class DeleteTargetForm(forms.Form):
    """A target and its log are gone for good: tick that it is meant."""

    sure = forms.BooleanField(label="Delete it with the log of its deliveries")
