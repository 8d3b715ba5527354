"""Secrets at rest, for the services of this app: cmlmanager.vault."""

from cmlmanager.vault import UnableToDecrypt, decrypt, encrypt, is_current, reencrypted

__all__ = ["UnableToDecrypt", "decrypt", "encrypt", "is_current", "reencrypted"]
