"""What tells whether anybody works on a CML: telemetry events and open consoles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workers.clients.cml.reading import flag, integer, mapping, moment, number, sequence, text


@dataclass(frozen=True, kw_only=True)
class TelemetrySetting:
    """Whether CML records telemetry: `opt_in` None when nobody has decided yet."""

    opt_in: bool | None
    show_modal: bool | None

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> TelemetrySetting:
        given = answer.get("opt_in")
        decided = {"accepted": True, "declined": False}.get(given) if isinstance(given, str) else flag(given)  # text since 2.10
        return cls(opt_in=decided, show_modal=flag(answer.get("show_modal")))


@dataclass(frozen=True, kw_only=True)
class TelemetryEvent:
    """Something that CML recorded, such as `start_lab` or `user_activity`. `data` is as CML gave it, not cleaned."""

    category: str
    at: datetime
    data: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, value: Any) -> TelemetryEvent | None:
        """None for what has no category or no time."""
        event = mapping(value)
        category, at = text(event.get("category")), moment(event.get("timestamp"))
        return cls(category=category, at=at, data=mapping(event.get("data"))) if category and at else None

    @property
    def user_id(self) -> str:
        """Who did it, "" when the event does not tell."""
        return text(self.data.get("user_id"))


@dataclass(frozen=True, kw_only=True)
class DispatcherConnection:
    """A console, VNC screen or packet capture that somebody opened. `clients`: how many look at it now."""

    key: str = field(repr=False)  # opens the console
    connection: str
    clients: int | None
    last_used_at: datetime | None

    @classmethod
    def read(cls, value: Any) -> DispatcherConnection:
        connection = mapping(value)
        clients = connection.get("clients")
        return cls(
            key=text(connection.get("key")),
            connection=text(connection.get("connection")),
            clients=len(sequence(clients)) if isinstance(clients, (list, dict)) else integer(clients),
            last_used_at=_moment_or_epoch(connection.get("last_used")),
        )


def _moment_or_epoch(value: Any) -> datetime | None:
    seconds = number(value)
    if seconds is None:
        return moment(value)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
