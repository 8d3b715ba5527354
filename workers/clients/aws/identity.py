"""Who AWS takes us for, and whether our clock is right. Needs no right at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from workers.clients.aws.connection import Connection
from workers.clients.aws.errors import AwsRejected


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whose credentials were used, as STS tells it. `ahead` is how far our clock is before AWS's, negative when it is behind; to a second."""

    account_id: str
    arn: str
    ahead: timedelta


class Identities(Connection):
    """The questions to STS."""

    def identity(self) -> Identity:
        """Whose credentials these are. Raises AwsError, AwsUnauthorized for credentials that AWS does not accept.

        STS API reference, GetCallerIdentity: "No permissions are required to perform this operation."
        """
        answer = self._call("sts", "GetCallerIdentity")
        if "Account" not in answer:
            raise AwsRejected(f"STS in {self.region} did not say whose credentials these are.", "GetCallerIdentity: no Account")
        theirs = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        ahead = datetime.now(UTC) - parsedate_to_datetime(theirs) if theirs else timedelta()
        return Identity(account_id=answer["Account"], arn=answer.get("Arn", ""), ahead=ahead)
