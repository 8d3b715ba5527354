"""What a CML server shows while it boots."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """How far a server has booted."""

    SILENT = "silent"  # nothing listens yet
    BAD_GATEWAY = "bad_gateway"  # nginx answers, CML behind it does not
    STARTING = "starting"  # CML answers, but no compute host can start nodes yet
    READY = "ready"


@dataclass(frozen=True, kw_only=True)
class BootTimes:
    """Seconds that each phase before READY lasts; `speed` divides them, 0 makes a server ready at once."""

    silent: float = 12
    bad_gateway: float = 8
    starting: float = 10
    speed: float = 1

    def phase(self, seconds_running: float) -> Phase:
        """The phase of a server whose instance has been running for so many seconds."""
        if not self.speed:
            return Phase.READY
        left = seconds_running * self.speed
        for phase, lasts in (
            (Phase.SILENT, self.silent),
            (Phase.BAD_GATEWAY, self.bad_gateway),
            (Phase.STARTING, self.starting),
        ):
            if left < lasts:
                return phase
            left -= lasts
        return Phase.READY
