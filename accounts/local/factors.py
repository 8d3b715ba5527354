"""How allauth's second factors behave here."""

from __future__ import annotations

import ipaddress

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from cmlmanager import vault

# Proof beyond a password; recovery codes only stand in for one of these.
STRONG = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class SecretLost(ValidationError):
    """The key that a second factor was encrypted with is no longer in SECRETS_KEYS. Forms show the sentence; templates show nothing."""

    silent_variable_failure = True

    def __init__(self) -> None:
        super().__init__(
            "The portal cannot read this second factor any more. Ask an administrator to remove it.", code="secret_lost"
        )


class SecondFactorAdapter(DefaultMFAAdapter):
    """Secrets are encrypted with SECRETS_KEYS; words are ours."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This code is not right. Codes change every half a minute: wait for the next one and type it again.",
    }

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        """What an authenticator app shows below the portal's name."""
        return user.get_username()

    def encrypt(self, text: str) -> str:
        return vault.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Raises SecretLost."""
        try:
            return vault.decrypt(encrypted_text)
        except vault.UnableToDecrypt:
            raise SecretLost from None

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        """A first name for a passkey, to be changed."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "Passkey" if number == 0 else f"Passkey {number + 1}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Passkeys belong to the name in the address, without the port."""
        return {"id": context.request.get_host().partition(":")[0], "name": "CML Cloud Manager"}


def has_strong_factor(user: AbstractBaseUser) -> bool:
    """Whether a password alone does not open this account. One query."""
    return Authenticator.objects.filter(user_id=user.pk, type__in=STRONG).exists()


def name_of(authenticator: Authenticator) -> str:
    """A second factor in a few words, without anything secret."""
    if authenticator.type == Authenticator.Type.WEBAUTHN:
        return f"passkey “{authenticator}”"
    return "authenticator app" if authenticator.type == Authenticator.Type.TOTP else "recovery codes"


def passkeys_work_at(request: HttpRequest) -> bool:
    """Whether a browser could use passkeys here: they need a name, not a number, and https except on localhost."""
    name = request.get_host().rpartition(":")[0] or request.get_host()
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return request.is_secure() or name == "localhost"
    return False
