"""How fast time runs in the simulated servers."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """`speed` divides every duration; at 0 everything that takes time happens at once."""

    speed: float = 1.0

    def lasts(self, seconds: float) -> float:
        """How many seconds something takes that takes so many on a real server."""
        return seconds / self.speed if self.speed else 0.0


def now() -> float:
    """Epoch seconds."""
    return time.time()
