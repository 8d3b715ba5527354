"""What a condition says of an alert: it should be open, it should not, or nothing can be said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from workers.alert_choices import AlertSeverity, CloseReason


@dataclass(frozen=True, kw_only=True)
class Raise:
    """It should be open. `since`: from when on it is so; `value`: the figure that the sentence names."""

    severity: AlertSeverity
    sentence: str
    since: datetime
    value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Clear:
    """It should not be open; the sentence closes one that is."""

    sentence: str
    reason: CloseReason = CloseReason.RECOVERED


@dataclass(frozen=True)
class Keep:
    """Nothing is known that would open or close it."""


Verdict = Raise | Clear | Keep
KEEP = Keep()
