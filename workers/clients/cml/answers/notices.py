"""What CML tells its own users: notices, and the maintenance mode that keeps them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workers.clients.cml.reading import flag, mapping, moment, sequence, text


@dataclass(frozen=True, kw_only=True)
class CmlNotice:
    """A banner in CML's own pages. `level`: INFO, SUCCESS, WARNING or ERROR; without groups it is for everybody."""

    notice_id: str
    level: str
    label: str
    content: str
    enabled: bool | None
    activated_at: datetime | None
    group_ids: tuple[str, ...]

    @classmethod
    def read(cls, value: Any) -> CmlNotice:
        notice = mapping(value)
        return cls(
            notice_id=text(notice.get("id")),
            level=text(notice.get("level")),
            label=text(notice.get("label")),
            content=text(notice.get("content")),
            enabled=flag(notice.get("enabled")),
            activated_at=moment(notice.get("activated")),
            group_ids=tuple(filter(None, map(text, sequence(notice.get("groups"))))),
        )


@dataclass(frozen=True, kw_only=True)
class MaintenanceMode:
    """Whether CML lets administrators alone in (None: not told), and the notice that says why."""

    enabled: bool | None
    notice_id: str
    notice: CmlNotice | None

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> MaintenanceMode:
        notice = answer.get("resolved_notice")
        return cls(
            enabled=flag(answer.get("maintenance_mode")),
            notice_id=text(answer.get("notice")),
            notice=CmlNotice.read(notice) if isinstance(notice, dict) else None,
        )
