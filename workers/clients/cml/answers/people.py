"""The accounts of a CML server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workers.clients.cml.reading import flag, mapping, moment, sequence, text


@dataclass(frozen=True, kw_only=True)
class CmlAccount:
    """Who the portal is on this server. `is_admin` None when CML did not tell."""

    user_id: str
    username: str
    is_admin: bool | None

    @classmethod
    def read(cls, value: Any) -> CmlAccount:
        account = mapping(value)
        return cls(user_id=text(account.get("id")), username=text(account.get("username")), is_admin=flag(account.get("admin")))


@dataclass(frozen=True, kw_only=True)
class CmlUser:
    """An account on the server, with the groups it is in and the labs it owns."""

    user_id: str
    username: str
    fullname: str
    email: str
    is_admin: bool | None
    group_ids: tuple[str, ...]
    lab_ids: tuple[str, ...]
    created_at: datetime | None

    @classmethod
    def read(cls, value: Any) -> CmlUser:
        user = mapping(value)
        return cls(
            user_id=text(user.get("id")),
            username=text(user.get("username")),
            fullname=text(user.get("fullname")),
            email=text(user.get("email")),
            is_admin=flag(user.get("admin")),
            group_ids=tuple(filter(None, map(text, sequence(user.get("groups"))))),
            lab_ids=tuple(filter(None, map(text, sequence(user.get("labs"))))),
            created_at=moment(user.get("created")),
        )
