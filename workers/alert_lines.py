"""From which lines on a worker has an alert, and where each line comes from: the worker's own, the fleet's, or built in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from workers.alert_choices import BUILT_IN, LONGEST_HOLD, SCALES, AlertKind, Lines
from workers.models import AlertMute, AlertThreshold

Key = tuple[uuid.UUID | None, str]  # worker (None: the fleet) and kind


@dataclass(frozen=True)
class Setting:
    """The lines in force, what they would be without the own ones, and whose they are: "own", "fleet" or "built in"."""

    lines: Lines
    source: str
    default: Lines


@dataclass(frozen=True)
class Book:
    """Every threshold and mute of some workers and of the fleet, read in two queries."""

    thresholds: dict[Key, Lines]
    mutes: dict[Key, AlertMute]

    def setting(self, worker_id: uuid.UUID | None, kind: AlertKind) -> Setting:
        """What holds for this worker, or for the fleet. Only for kinds with lines."""
        fleet = self.thresholds.get((None, kind))
        default = BUILT_IN[kind] if worker_id is None else fleet or BUILT_IN[kind]
        own = self.thresholds.get((worker_id, kind))
        if own:
            return Setting(own, "fleet" if worker_id is None else "own", default)
        return Setting(default, "fleet" if worker_id is not None and fleet else "built in", default)

    def lines(self, worker_id: uuid.UUID, kind: AlertKind) -> Lines:
        return self.setting(worker_id, kind).lines

    def mute(self, worker_id: uuid.UUID | None, kind: AlertKind) -> AlertMute | None:
        """What mutes this kind now: for the worker itself or for the whole fleet."""
        return self.mutes.get((worker_id, kind)) or self.mutes.get((None, kind))

    def lowest(self, kind: AlertKind) -> int:
        """The lowest warning line that anybody has: under it nobody's alert can open."""
        own = [lines.warning for (_, name), lines in self.thresholds.items() if name == kind]
        return min([BUILT_IN[kind].warning, *own])

    @property
    def longest_hold(self) -> int:
        """Minutes: how far back anybody's lines want to look."""
        return max(lines.minutes for lines in (*BUILT_IN.values(), *self.thresholds.values()))


def book(*, now: datetime, worker_ids: Iterable[uuid.UUID] | None = None) -> Book:
    """The thresholds and mutes in force for these workers, or for all."""
    whose = Q() if worker_ids is None else Q(worker__isnull=True) | Q(worker__in=list(worker_ids))
    thresholds = AlertThreshold.objects.filter(whose)
    mutes = AlertMute.objects.in_force(now).filter(whose)
    return Book(
        {(row.worker_id, row.kind): row.lines for row in thresholds},
        {(row.worker_id, row.kind): row for row in mutes},
    )


def in_words(kind: AlertKind, lines: Lines) -> str:
    """The lines for the audit: "warning 85 %, critical 95 %, for 10 min"."""
    unit = SCALES[kind].unit
    held = f", for {lines.minutes} min" if lines.minutes else ""
    return f"warning {lines.warning} {unit}, critical {lines.critical} {unit}{held}"


def problem_of(kind: AlertKind, lines: Lines) -> str:
    """What is wrong with these lines, as a sentence; "" when nothing is."""
    scale = SCALES[kind]
    if not (1 <= lines.warning <= scale.most and 1 <= lines.critical <= scale.most):
        return f"{kind.label}: both lines are between 1 and {scale.most} {scale.unit}."
    if scale.falls and lines.critical >= lines.warning:
        return f"{kind.label}: fewer {scale.unit} are worse, so critical must be less than warning."
    if not scale.falls and lines.critical <= lines.warning:
        return f"{kind.label}: critical must be more than warning."
    if lines.minutes and not scale.holds:
        return f"{kind.label} has no minutes to wait for."
    if not 0 <= lines.minutes <= LONGEST_HOLD:
        return f"{kind.label}: at most {LONGEST_HOLD} minutes can be waited for."
    return ""
