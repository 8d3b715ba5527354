"""What can go wrong between the portal and the OpenID provider. Each carries a sentence; none carries a token."""

from __future__ import annotations

from accounts.oidc.problems import Problem


class ProviderAway(Exception):
    """The provider did not answer in time, not at all, or not in a way that makes sense. Trying later may help."""


class ProviderSlow(ProviderAway):
    """It did not answer in time."""


class ProviderRefused(Exception):
    """The provider answered, and said no.

    code: OAuth's error code, such as invalid_grant or invalid_client, or "" when it gave none.
    """

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class TokenRefused(Exception):
    """A token that proves nothing here: forged, expired, or made for somebody else."""


class SignInRefused(Exception):
    """Somebody is not let in. problem: what they are told. The message is for the log."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
