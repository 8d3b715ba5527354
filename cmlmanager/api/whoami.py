"""Who the portal takes the asker for, and what they may do."""

from __future__ import annotations

from enum import StrEnum

from ninja import Router
from pydantic import Field

from accounts.models import User
from accounts.requests import PersonalRequest
from accounts.roles import CAPABILITIES, Role
from cmlmanager.api.schemas import Out

router = Router(tags=["You"])


class Credential(StrEnum):
    """By what the portal knows somebody."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - the word, not one
    KEYCLOAK = "keycloak"


class WhoAmI(Out):
    """The asker."""

    username: str = Field(examples=["ada"])
    name: str = Field(description="The full name; empty when none is known.", examples=["Ada Lovelace"])
    role: Role | None = Field(
        description="The role that counts for this request: a token’s own, never more than its person’s. Null: none, and nothing to see."
    )
    credential: Credential = Field(description="By what the portal knows you.")
    capabilities: list[str] = Field(
        description="What that role may do.", examples=[["workers.view_worker", "workers.start_worker"]]
    )
    time_zone: str = Field(description="Of the portal’s pages; times of the API are always UTC.", examples=["Europe/Madrid"])


@router.get("whoami", response=WhoAmI, operation_id="whoami", summary="Who am I?", url_name="whoami")
def whoami(request: PersonalRequest) -> WhoAmI:
    """Whom the portal takes you for, and what you may do. The one operation that needs no role."""
    user = request.user
    return WhoAmI(
        username=user.get_username(),
        name=user.get_full_name(),
        role=user.role,
        credential=_credential(user),
        capabilities=sorted(name for name in CAPABILITIES if user.has_perm(name)),
        time_zone=user.time_zone,
    )


def _credential(user: User) -> Credential:
    return Credential(user.credential.partition(":")[0] or "session")
