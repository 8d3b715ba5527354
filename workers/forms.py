"""Forms of the fleet. They clean; services decide."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django import forms
from django.conf import settings

from workers.choices import AddressKind, TlsPolicy
from workers.models import Worker

LONGEST_BUNDLE = 64_000  # characters


class ConnectionForm(forms.ModelForm):
    """How the portal reaches and trusts a worker's CML. The password goes in and never comes out."""

    cml_password = forms.CharField(
        label="Password",
        required=False,
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    forget_password = forms.BooleanField(label="Forget the stored account and use the portal’s", required=False)

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
            "tls_policy": "CML makes its own certificate: choose “Exactly this certificate” to compare and trust that one.",
            "tls_ca": "One or more certificates, for “Signed by this authority”. Never a private key.",
            "tls_fingerprint": "Of the server’s certificate, 64 hexadecimal digits; colons are allowed. Left empty, the portal reads "
            "what the server shows and asks you to trust it.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = bool(self.instance.cml_password_encrypted)
        portals = bool(settings.CML_USERNAME and settings.CML_PASSWORD)
        default = (
            "the portal’s own account is used"
            if portals
            else "nothing but the version is known: the portal has no account of its own"
        )
        self.fields["cml_username"].help_text = f"An administrator of that CML. Without one, {default}."
        self.fields["cml_password"].help_text = (
            "A password is stored. It is encrypted and never shown; leave this empty to keep it."
            if stored
            else "No password is stored. It will be encrypted and never shown again."
        )
        if not stored:
            del self.fields["forget_password"]

    def clean_custom_endpoint(self) -> str:
        return str(self.cleaned_data["custom_endpoint"]).rstrip("/")

    def clean_tls_fingerprint(self) -> str:
        digits = re.sub(r"[\s:]", "", self.cleaned_data["tls_fingerprint"]).lower()
        if digits and not re.fullmatch(r"[0-9a-f]{64}", digits):
            raise forms.ValidationError("A SHA-256 fingerprint has 64 hexadecimal digits.")
        return digits

    def clean_tls_ca(self) -> str:
        pem = self.cleaned_data["tls_ca"].strip()
        if not pem:
            return ""
        if len(pem) > LONGEST_BUNDLE:
            raise forms.ValidationError("That is too long for a certificate authority.")
        if "PRIVATE KEY" in pem:
            raise forms.ValidationError(
                "That contains a private key. Paste the certificates alone, and think of the key as known."
            )
        return _bundle(pem)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        needs = (
            (AddressKind.CUSTOM, "address_kind", "custom_endpoint", "Enter the address."),
            (TlsPolicy.CA, "tls_policy", "tls_ca", "Paste the authority's certificate."),
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


def _bundle(pem: str) -> str:
    """The certificates of `pem` and nothing else that stood around them. Raises ValidationError."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise forms.ValidationError("That is not a certificate in PEM form.") from None
    ended = [certificate.not_valid_after_utc for certificate in found]
    if max(ended) < datetime.now(UTC):
        raise forms.ValidationError(f"This authority’s validity ended on {max(ended):%-d %B %Y}: it would accept no server.")
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in found)
