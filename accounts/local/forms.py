"""allauth's forms with our words, and what they leave to be desired."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import ChangePasswordForm
from allauth.core import context
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms

from cmlmanager import vault

NAME_LENGTH = 50


def _plain(form: forms.Form, **labels: str) -> None:
    """Our labels, and no placeholders that repeat them."""
    for name, label in labels.items():
        form.fields[name].label = label
        form.fields[name].widget.attrs.pop("placeholder", None)


class NewPasswordForm(ChangePasswordForm):
    """Change one's own password. The page shows the rules in words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self, oldpassword="Current password", password1="New password", password2="New password again")
        self.fields["password1"].help_text = ""

    def clean_password1(self) -> str:
        """A forced change must be one."""
        chosen: str = self.cleaned_data["password1"]
        if self.user.check_password(chosen):
            raise forms.ValidationError("This is the password that you have. Choose another one.")
        return chosen

    def save(self) -> None:
        self.user.must_change_password = False
        super().save()


class SetUpAppForm(ActivateTOTPForm):
    """The first code of an authenticator app. Until it is right, the app's secret waits in the session: encrypted, as it will be at rest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        session = context.request.session
        if waiting := session.get(SECRET_SESSION_KEY):
            try:
                session[SECRET_SESSION_KEY] = vault.decrypt(waiting)
            except vault.UnableToDecrypt:
                del session[SECRET_SESSION_KEY]  # the keys were changed meanwhile: allauth makes a new secret
        super().__init__(*args, **kwargs)
        session[SECRET_SESSION_KEY] = vault.encrypt(self.secret)
        _plain(self, code="Code that the app shows")
        self.fields["code"].widget.attrs |= {"inputmode": "numeric", "maxlength": 10, "spellcheck": "false"}


class AddPasskeyForm(AddWebAuthnForm):
    """A new passkey and what it may be used for."""

    field_order = ["name", "passwordless", "credential"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["maxlength"] = NAME_LENGTH
        self.fields["name"].help_text = "So that you can tell your passkeys apart, for example the device that it is on."
        self.fields["passwordless"].label = "May be used without the password"
        self.fields["passwordless"].help_text = "The device then asks for a fingerprint, a face or a PIN instead."
        self.fields["passwordless"].initial = True

    def clean_name(self) -> str:
        return super().clean_name()[:NAME_LENGTH]


class RenamePasskeyForm(EditWebAuthnForm):
    """Another name for a passkey."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["maxlength"] = NAME_LENGTH

    def clean_name(self) -> str:
        return str(self.cleaned_data["name"])[:NAME_LENGTH]
