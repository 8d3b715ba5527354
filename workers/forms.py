"""Forms of the fleet. They clean; services decide."""

from __future__ import annotations

import re
from typing import Any

from cryptography import x509
from django import forms

from workers.choices import AddressKind, TlsPolicy
from workers.models import Worker


class ConnectionForm(forms.ModelForm):
    """How the portal reaches and trusts a worker's CML. The password goes in and never comes out."""

    cml_password = forms.CharField(
        label="Password",
        required=False,
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown again. Leave empty to keep the stored one.",
    )
    forget_password = forms.BooleanField(label="Forget the stored account and use the portal's", required=False)

    class Meta:
        model = Worker
        fields = ["address_kind", "custom_endpoint", "tls_policy", "tls_ca", "tls_fingerprint", "cml_username"]
        widgets = {"tls_ca": forms.Textarea(attrs={"rows": 6, "spellcheck": "false"})}
        labels = {
            "address_kind": "Address",
            "custom_endpoint": "Address of its own",
            "tls_policy": "Certificate",
            "tls_ca": "Authority (PEM)",
            "tls_fingerprint": "SHA-256 fingerprint",
            "cml_username": "Account",
        }
        help_texts = {
            "custom_endpoint": "For example https://cml.example.com or https://10.0.0.5:8443.",
            "tls_fingerprint": "Of the server's certificate, 64 hexadecimal digits; colons are allowed.",
            "cml_username": "An administrator of that CML. Without one, the portal's own account is used.",
        }

    def clean_custom_endpoint(self) -> str:
        return str(self.cleaned_data["custom_endpoint"]).rstrip("/")

    def clean_tls_fingerprint(self) -> str:
        digits = re.sub(r"[\s:]", "", self.cleaned_data["tls_fingerprint"]).lower()
        if digits and not re.fullmatch(r"[0-9a-f]{64}", digits):
            raise forms.ValidationError("A SHA-256 fingerprint has 64 hexadecimal digits.")
        return digits

    def clean_tls_ca(self) -> str:
        pem = self.cleaned_data["tls_ca"].strip()
        if len(pem) > 64_000:
            raise forms.ValidationError("That is too long for a certificate authority.")
        if pem:
            try:
                x509.load_pem_x509_certificates(pem.encode())
            except ValueError:
                raise forms.ValidationError("That is not a certificate in PEM form.") from None
        return pem

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        needs = (
            (AddressKind.CUSTOM, "address_kind", "custom_endpoint", "Enter the address."),
            (TlsPolicy.CA, "tls_policy", "tls_ca", "Paste the authority's certificate."),
            (TlsPolicy.PINNED, "tls_policy", "tls_fingerprint", "Enter the fingerprint."),
        )
        for choice, field, needed, sentence in needs:
            if cleaned.get(field) == choice and not cleaned.get(needed) and needed not in self.errors:
                self.add_error(needed, sentence)
        if cleaned.get("cml_password") and not cleaned.get("cml_username"):
            self.add_error("cml_username", "Enter the account that the password belongs to.")
        has_password = cleaned.get("cml_password") or self.instance.cml_password_encrypted
        if cleaned.get("cml_username") and not has_password and not cleaned.get("forget_password"):
            self.add_error("cml_password", "Enter the account's password.")
        return cleaned
