"""The forms that bring workers in: a new one, and existing instances. They clean; services decide."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from workers import aws_accounts, finding, provisioning, tag_rules


def _regions() -> list[tuple[str, str]]:
    return [(region, region) for region in aws_accounts.regions()]


def _accounts() -> list[tuple[str, str]]:
    """By name, with the number where it is known."""
    return [
        (account.name, f"{account.name} ({account.account_id})" if account.account_id else account.name)
        for account in aws_accounts.configured()
    ]


class PlaceForm(forms.Form):
    """In which region of which account; an account is asked for, by its name, only where there are several."""

    account = forms.ChoiceField(label="Account", choices=_accounts)
    region = forms.ChoiceField(label="Region", choices=_regions)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not aws_accounts.several():
            del self.fields["account"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        known = aws_accounts.configured()
        account = aws_accounts.named(cleaned.get("account", "")) if "account" in self.fields else next(iter(known), None)
        region = cleaned.get("region")
        if account and region and region not in account.regions:
            self.add_error("region", f"The account {account.name} is used in {', '.join(account.regions)} only.")
        cleaned["account"] = account.key if account else ""
        return cleaned

    @property
    def place(self) -> dict[str, str]:
        """The cleaned answer, as services take it: the account by its key."""
        return {"account": self.cleaned_data["account"], "region": self.cleaned_data["region"]}


_EXACT = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class CreateWorkerForm(PlaceForm):
    """What the instance of a new worker shall be. `proposal` is the cleaned answer, as services.creation takes it."""

    name = forms.CharField(
        label="Name",
        max_length=255,  # of the column; EC2's tag Name would hold one more
        widget=forms.TextInput(attrs=_EXACT),
        help_text="Shown everywhere, and kept as EC2’s tag Name.",
    )
    instance_type = forms.CharField(
        label="Instance type",
        max_length=32,
        initial="m5zn.metal",
        widget=forms.TextInput(attrs=_EXACT | {"list": "instance-types"}),
        help_text="Bare metal, or C8i, M8i or R8i with nested virtualisation.",
    )
    nested_virtualization = forms.BooleanField(
        label="Nested virtualisation",
        required=False,
        help_text="For C8i, M8i and R8i: CML cannot start virtual machines there without it. Bare metal needs none. No surcharge.",
    )
    image = forms.CharField(
        label="Image",
        max_length=128,
        widget=forms.TextInput(attrs=_EXACT),
        help_text="An AMI id, or a name pattern such as cisco-cml2.9*: you choose among what it finds before anything is made.",
    )
    cml_version = forms.CharField(
        label="CML version",
        max_length=48,
        required=False,
        widget=forms.TextInput(attrs=_EXACT),
        help_text=f"A note, kept as the tag {provisioning.VERSION_TAG}; CML says its own once it is ready.",
    )
    subnet_id = forms.CharField(
        label="Subnet",
        max_length=32,
        required=False,
        widget=forms.TextInput(attrs=_EXACT),
        help_text="subnet-…; empty is the region’s default.",
    )
    security_group_ids = forms.CharField(
        label="Security groups",
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs=_EXACT),
        help_text="sg-…, several separated by commas; empty is the VPC’s default.",
    )
    key_name = forms.CharField(
        label="Key pair",
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs=_EXACT),
        help_text="For SSH to the machine; empty is none.",
    )
    root_volume_gib = forms.IntegerField(
        label="Root volume, GiB",
        required=False,
        min_value=provisioning.ROOT_VOLUME_GIB[0],
        max_value=provisioning.ROOT_VOLUME_GIB[1],
        help_text="8 to 16384, at least the image’s own size; empty keeps that.",
    )
    require_imds_v2 = forms.BooleanField(
        label="Require IMDSv2",
        required=False,
        initial=True,
        help_text="The machine’s metadata is given only with a token. Leave it on unless a script in the image cannot.",
    )
    detailed_monitoring = forms.BooleanField(
        label="Detailed monitoring",
        required=False,
        help_text="CloudWatch measures every minute instead of every five: about 2.10 USD a month.",
    )
    tags = forms.CharField(
        label="Tags",
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4} | _EXACT),
        help_text="One key=value a line.",
    )

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if problem := tag_rules.value_error(tag_rules.NAME, name):
            raise forms.ValidationError(problem)
        return name

    def clean_instance_type(self) -> str:
        kind = str(self.cleaned_data["instance_type"]).lower()
        if not provisioning.INSTANCE_TYPE.fullmatch(kind):
            raise forms.ValidationError("An instance type looks like m5zn.metal or m8i.2xlarge.")
        return kind

    def clean_image(self) -> str:
        image = str(self.cleaned_data["image"])
        if provisioning.IMAGE_ID.fullmatch(image):
            return image
        if image.startswith("ami-"):
            raise forms.ValidationError("An AMI id is ami- and 8 or 17 hexadecimal digits.")
        if problem := provisioning.image_name_problem(image):
            raise forms.ValidationError(problem)
        return image

    def clean_cml_version(self) -> str:
        version = str(self.cleaned_data["cml_version"])
        if version and not re.fullmatch(r"\d+(\.\d+){1,3}([+-][A-Za-z0-9.]+)?", version):
            raise forms.ValidationError("A version looks like 2.9.1 or 2.9.1+build.7.")
        return version

    def clean_subnet_id(self) -> str:
        subnet = str(self.cleaned_data["subnet_id"])
        if subnet and not provisioning.SUBNET_ID.fullmatch(subnet):
            raise forms.ValidationError("A subnet’s id is subnet- and 8 or 17 hexadecimal digits.")
        return subnet

    def clean_security_group_ids(self) -> list[str]:
        groups = list(dict.fromkeys(re.split(r"[\s,]+", self.cleaned_data["security_group_ids"].strip(", \t"))))
        groups = [group for group in groups if group]
        for group in groups:
            if not provisioning.SECURITY_GROUP_ID.fullmatch(group):
                raise forms.ValidationError(f"{group} is no security group’s id: that is sg- and 8 or 17 hexadecimal digits.")
        if len(groups) > provisioning.SECURITY_GROUPS:
            raise forms.ValidationError(f"At most {provisioning.SECURITY_GROUPS} security groups fit on one network interface.")
        return groups

    def clean_key_name(self) -> str:
        key = str(self.cleaned_data["key_name"])
        if not (key.isascii() and (not key or key.isprintable())):
            raise forms.ValidationError("A key pair’s name holds ASCII characters only.")
        return key

    def clean_tags(self) -> dict[str, str]:
        try:
            return provisioning.tags_of_lines(self.cleaned_data["tags"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        kind, nested = cleaned.get("instance_type"), cleaned.get("nested_virtualization")
        if kind and (problem := _nested_problem(kind, bool(nested))):
            self.add_error("nested_virtualization", problem)
        return cleaned

    @property
    def proposal(self) -> dict[str, Any]:
        """The cleaned answer with the image as image_id or image_name."""
        proposal = {name: value for name, value in self.cleaned_data.items() if name != "image"}
        image = self.cleaned_data["image"]
        return proposal | {"image_id" if provisioning.IMAGE_ID.fullmatch(image) else "image_name": image}


def initial_of(proposal: dict[str, Any]) -> dict[str, Any]:
    """A proposal as what the form begins with, to change it."""
    initial = {name: value for name, value in proposal.items() if name in CreateWorkerForm.base_fields}
    initial["account"] = aws_accounts.label(proposal.get("account", ""))
    initial["image"] = proposal.get("image_id") or proposal.get("image_name", "")
    initial["security_group_ids"] = ", ".join(proposal.get("security_group_ids", []))
    initial["tags"] = "\n".join(f"{key}={value}" for key, value in proposal.get("tags", {}).items())
    return initial


def _nested_problem(kind: str, nested: bool) -> str:
    if provisioning.has_nested_virtualization(kind):
        return "" if nested else f"CML cannot start virtual machines on {kind} without it: tick this."
    if not nested:
        return ""
    if provisioning.is_metal(kind):
        return f"{kind} is bare metal: CML has its processor for itself. Leave this off."
    return f"{kind} does not offer it; C8i, M8i and R8i do. Leave this off, or choose another type."


class ImportForm(PlaceForm):
    """Which instances to look for, and where."""

    by = forms.ChoiceField(label="Find by", choices=finding.By.choices, initial=finding.By.IMAGE_NAME, widget=forms.RadioSelect)
    value = forms.CharField(
        label="Which",
        max_length=400,
        required=False,
        widget=forms.TextInput(attrs=_EXACT | {"placeholder": "i-…, ami-…, cisco-cml*, or Team=training"}),
        help_text="The id; the AMI’s name with * and ? as wildcards; or a tag as key or key=value.",
    )

    @property
    def question(self) -> dict[str, Any]:
        """What to look for, as services.importing takes it."""
        question: dict[str, Any] = self.cleaned_data["question"]
        return question

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        by = cleaned.get("by")
        if by and "value" not in self.errors:
            try:
                cleaned["question"] = finding.question(by, cleaned.get("value", ""))
            except ValueError as error:
                self.add_error("value", str(error))
        return cleaned
