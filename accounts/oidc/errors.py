"""What can go wrong between the portal and the OpenID provider. Each carries a sentence; none carries a token."""

from __future__ import annotations


class ProviderAway(Exception):
    """The provider did not answer in time, not at all, or not in a way that makes sense. Trying later may help."""


class ProviderRefused(Exception):
    """The provider answered, and said no.

    code: OAuth's error code, such as invalid_grant or invalid_client, or "" when it gave none.
    """

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class TokenRefused(Exception):
    """A token that proves nothing here: forged, expired, or made for somebody else."""
