"""What there is to tell."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass, field
from typing import Any

from workers.notification_choices import Severity

MOST_DATA = 16_000  # characters of JSON


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing to tell. `type` such as "alert.opened", `severity` info, warning or critical; closing keeps the severity of what closes.

    `path` is the portal's path to look at, `data` holds JSON-able facts. Nothing in a notice may be secret.
    """

    type: str
    severity: str
    title: str
    sentence: str
    worker_id: uuid.UUID | None = None
    worker_name: str = ""
    path: str = "/"
    data: dict[str, Any] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """The same as JSON that every database keeps, bounded. An odd figure must not undo the change that it reports."""
        data = plain(self.data)
        if len(json.dumps(data)) > MOST_DATA:
            data = {"left_out": "These facts were too long to send."}
        return {
            "type": line(self.type, 64),
            "severity": self.severity if self.severity in Severity.values else Severity.INFO.value,
            "title": line(self.title, 200),
            "sentence": line(self.sentence, 1_000),
            "worker_id": str(self.worker_id) if self.worker_id else "",
            "worker_name": line(self.worker_name, 255),
            "path": line(self.path, 500),
            "data": data,
        }


def line(text: str, limit: int) -> str:
    """`text` as one line of printable signs: nothing in it starts a header, a command or a new line."""
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def plain(value: Any) -> Any:
    """The value as JSON that PostgreSQL takes, too: neither NaN nor NUL."""
    if isinstance(value, dict):
        return {str(key).replace("\0", ""): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).replace("\0", "")
