"""Secrets at rest: encrypted with the newest key of SECRETS_KEYS, readable with any of them."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class UnableToDecrypt(Exception):
    """No key of SECRETS_KEYS opens the secret."""


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.SECRETS_KEYS])


def encrypt(secret: str) -> str:
    """The secret as text for the database."""
    return _fernet().encrypt(secret.encode()).decode()


def decrypt(text: str) -> str:
    """The secret. Raises UnableToDecrypt when it was encrypted with a key that is no longer configured."""
    try:
        return _fernet().decrypt(text.encode()).decode()
    except InvalidToken:
        raise UnableToDecrypt(
            "The stored password was encrypted with a key that is no longer in SECRETS_KEYS; enter it again."
        ) from None


def is_current(text: str) -> bool:
    """Whether the newest key alone opens it, so that it survives when the older ones are removed."""
    try:
        Fernet(settings.SECRETS_KEYS[0]).decrypt(text.encode())
    except InvalidToken:
        return False
    return True


def reencrypted(text: str) -> str:
    """The same secret under the newest key. Raises UnableToDecrypt as `decrypt` does."""
    return encrypt(decrypt(text))
