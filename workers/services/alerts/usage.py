"""Whether usage is over its lines: judged by what was measured, so that one spike opens nothing and a sawtooth does not flap.

A line counts as crossed when every measurement of the last n minutes is on or over it. It is released when usage has been under it for n
minutes and is now at least MARGIN points under, or when it has stayed under it for three times n, at least QUARTER minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from workers.alert_choices import AlertKind, AlertSeverity, Lines
from workers.services.alerts.verdicts import KEEP, Clear, Raise, Verdict

MARGIN = 5  # percentage points
QUARTER = 15  # minutes
# Measurements come every few minutes, not to the second: a run that is this much short counts as long enough.
SLACK = timedelta(seconds=30)


class Reading(NamedTuple):
    """One measurement, percent."""

    at: datetime
    value: float


def looks_back(minutes: int) -> timedelta:
    """How far back measurements matter for lines that must hold `minutes`."""
    return timedelta(minutes=max(QUARTER, 3 * minutes))


def judge(
    kind: AlertKind,
    readings: Sequence[Reading],
    lines: Lines,
    *,
    standing: AlertSeverity | None,
    fresh_after: datetime,
) -> Verdict:
    """`readings` of one source, oldest first; `standing` is the open alert's severity. Old readings open and close nothing."""
    if not readings or readings[-1].at < fresh_after:
        return KEEP
    newest = readings[-1].value
    for severity, line in ((AlertSeverity.CRITICAL, lines.critical), (AlertSeverity.WARNING, lines.warning)):
        begun = _held_since(readings, lines.minutes, least=line)
        is_standing = standing is not None and not severity.is_worse_than(standing)
        if begun is None and not (is_standing and not _is_released(readings, line, lines.minutes)):
            continue
        word = "critical" if severity == AlertSeverity.CRITICAL else "warning"
        held = f" for {lines.minutes} min" if lines.minutes else ""
        return Raise(
            severity=severity,
            sentence=f"{kind.label} is at {newest:.0f} %; {word} from {line} %{held}.",
            since=begun or readings[-1].at,
            value=newest,
        )
    return Clear(sentence=f"{kind.label} is down to {newest:.0f} %.")


def _held_since(readings: Sequence[Reading], minutes: int, *, least: float = 0, below: float = 101) -> datetime | None:
    """When the run at the end began in which every measurement was in [least, below), if it has lasted `minutes`; else None."""
    begun: datetime | None = None
    for reading in reversed(readings):
        if not least <= reading.value < below:
            break
        begun = reading.at
    if begun is None or readings[-1].at - begun < timedelta(minutes=minutes) - SLACK:
        return None
    return begun


def _is_released(readings: Sequence[Reading], line: int, minutes: int) -> bool:
    if readings[-1].value < line - MARGIN and _held_since(readings, minutes, below=line) is not None:
        return True
    return _held_since(readings, max(QUARTER, 3 * minutes), below=line) is not None
