"""Secrets of the fleet at rest: the portal's vault, under the name by which the services know it."""

from cmlmanager.vault import UnableToDecrypt, decrypt, encrypt, is_current, reencrypted

__all__ = ["UnableToDecrypt", "decrypt", "encrypt", "is_current", "reencrypted"]
