"""Forms about licences. A registration token goes in and never comes out, not even after an error."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from workers.license_choices import RenewWhat
from workers.life_forms import ReasonForm
from workers.models import Worker

TOKEN = re.compile(r"[a-zA-Z\d+/%=-]{1,256}", re.ASCII)  # Cisco CML 2.9 API, POST /licensing/registration
MOST_NODES = 10_000
# Cisco CML 2.9, Tools > Licensing, "License Type".
PRODUCTS = {
    "CML_Enterprise": "CML - Enterprise",
    "CML_Education": "CML - Education",
    "CML_Personal": "CML - Personal",
    "CML_Personal40": "CML - Personal Plus (40 nodes)",
}


def _nodes_field(worker: Worker, help_text: str) -> forms.IntegerField:
    most = worker.license_nodes_max
    limit = f" At most {most} on this CML." if most is not None else ""
    return forms.IntegerField(
        label="Expansion nodes",
        required=False,
        min_value=0,
        max_value=MOST_NODES if most is None else most,
        help_text=help_text + limit,
    )


class RegisterForm(ReasonForm):
    """A token of Cisco's portal, and what is to be asked for with it."""

    token = forms.CharField(
        label="Registration token",
        max_length=256,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="From Cisco Smart Software Manager: Inventory, your virtual account, New Token. "
        "Kept encrypted until CML has it, then deleted; never shown again.",
    )
    reregister = forms.BooleanField(
        label="Register again",
        required=False,
        initial=True,
        help_text="Replaces the registration that it has; the seat moves to the token’s account.",
    )
    field_order = ["token", "reregister", "nodes", "reason"]

    def __init__(self, worker: Worker, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not worker.holds_seat:
            del self.fields["reregister"]
        self.fields["nodes"] = _nodes_field(worker, "Asked for when it is registered. Empty: as it is.")
        self.order_fields(self.field_order)

    def clean_token(self) -> str:
        token = str(self.cleaned_data["token"])
        if not TOKEN.fullmatch(token):
            # Not quoted: whoever reads the page must not learn it.
            raise forms.ValidationError(
                "That is not a registration token: it has letters, digits and + / % = - only. Paste it again."
            )
        return token


class RenewForm(ReasonForm):
    """Which of the two is to be renewed."""

    what = forms.ChoiceField(
        label="Renew", choices=RenewWhat.choices, widget=forms.RadioSelect, initial=RenewWhat.AUTHORIZATION.value
    )
    field_order = ["what", "reason"]


class DeregisterForm(ReasonForm):
    """Whether running labs may be stopped for it."""

    stop_labs = forms.BooleanField(
        label="Stop running labs first",
        required=False,
        help_text="CML keeps its licence while nodes run. Labs stay, what runs in them ends.",
    )
    field_order = ["stop_labs", "reason"]


class LicenseForm(ReasonForm):
    """The product and the number of nodes."""

    product = forms.ChoiceField(label="Product", help_text="CML changes it only while it is not registered.")
    field_order = ["product", "nodes", "reason"]

    def __init__(self, worker: Worker, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.current = {"product": worker.licensing.get("product", ""), "nodes": worker.license_nodes_in_use}
        known = PRODUCTS | ({} if self.current["product"] in PRODUCTS else {self.current["product"]: self.current["product"]})
        product = self.fields["product"]
        assert isinstance(product, forms.ChoiceField)
        product.choices = [("", "As it is"), *((value, label) for value, label in known.items() if value)]
        product.required = False
        product.initial = self.current["product"]
        self.fields["nodes"] = _nodes_field(worker, "How many CML asks Cisco for, beside those of the product.")
        self.fields["nodes"].initial = self.current["nodes"]
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not self.parameters:
            raise forms.ValidationError("Nothing would change: choose another product or another number of nodes.")
        return cleaned

    @property
    def parameters(self) -> dict[str, Any]:
        """What the operation is to change."""
        wanted = {name: self.cleaned_data.get(name) for name in ("product", "nodes")}
        return {name: value for name, value in wanted.items() if value not in (None, "", self.current[name])}


class ResolveForm(forms.Form):
    """How the seat was cleared up."""

    note = forms.CharField(
        label="What you found",
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="For example “removed in Smart Software Manager”. Goes into the audit.",
    )
