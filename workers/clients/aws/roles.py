"""Roles of other accounts: temporary credentials that renew themselves, kept once a process for each role and region."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from botocore.credentials import CredentialResolver, DeferredRefreshableCredentials

from workers.clients.aws.connection import Connection

SESSION_NAME = "cml-cloud-manager"  # so that CloudTrail tells the portal's calls from others'


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role to assume before anything is asked. `external_id` "" is none."""

    arn: str
    external_id: str = field(default="", repr=False)


_Key = tuple[Role, str, str | None]
_kept: dict[_Key, DeferredRefreshableCredentials] = {}
_keeping = threading.Lock()


class _Assumed:
    """The one credential provider of a session: the role's. botocore asks providers for `load` only."""

    METHOD = "assume-role"
    CANONICAL_NAME = None

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        self._credentials = credentials

    def load(self) -> DeferredRefreshableCredentials:
        return self._credentials


class _Sts(Connection):
    """The question to STS, with the process's own credentials."""

    def assume(self, role: Role) -> dict[str, str]:
        """Credentials for an hour, as botocore wants them. Raises AwsError."""
        arguments = {"RoleArn": role.arn, "RoleSessionName": SESSION_NAME}
        if role.external_id:
            arguments["ExternalId"] = role.external_id
        given = self._call("sts", "AssumeRole", **arguments)["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }


class RoleCredentials:
    """The credentials of `role` in one region: got with the first call that needs them, renewed before they end, shared by all threads.

    A call then raises AwsError when that fails: AwsUnauthorized where the role may not be assumed. The region's own STS is asked, so
    that an outage of one region stays there.
    """

    def __init__(self, role: Role, *, region: str, endpoint_url: str | None) -> None:
        self._role = role
        self._region = region
        self._endpoint_url = endpoint_url

    def resolver(self) -> CredentialResolver:
        """Where a session of botocore finds them."""
        with _keeping:
            if self._key not in _kept:
                _kept[self._key] = DeferredRefreshableCredentials(refresh_using=self._refresh, method=_Assumed.METHOD)
            return CredentialResolver(providers=[_Assumed(_kept[self._key])])

    def forget(self) -> None:
        """AWS did not take them: the next session gets new ones."""
        with _keeping:
            _kept.pop(self._key, None)

    @property
    def _key(self) -> _Key:
        return self._role, self._region, self._endpoint_url

    def _refresh(self) -> dict[str, str]:
        return _Sts(region=self._region, endpoint_url=self._endpoint_url).assume(self._role)
