"""What an EC2 instance may do in which state, and how long its transitions take (EC2 User Guide, instance lifecycle)."""

from __future__ import annotations

from dataclasses import dataclass, field

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
SETTLES_TO = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated"}

# Per action: the state an instance enters from each state; one that is not named refuses (IncorrectInstanceState).
START = {"stopped": "pending", "pending": "pending", "running": "running"}
STOP = {"running": "stopping", "stopping": "stopping", "stopped": "stopped"}
TERMINATE = {
    "pending": "shutting-down",
    "running": "shutting-down",
    "stopping": "shutting-down",
    "stopped": "terminated",
    "shutting-down": "shutting-down",
    "terminated": "terminated",
}

FORGOTTEN_AFTER = 3600.0  # seconds for which EC2 still shows a terminated instance
RUNS_KEPT = 24 * 3600.0  # seconds of past for which it is known when an instance ran


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Seconds that transitions take, and the status checks after them."""

    pending: float = 8
    stopping: float = 6
    shutting_down: float = 6
    checks: float = 10

    @classmethod
    def at_speed(cls, speed: float) -> Delays:
        """So many times faster than by default; 0 means at once."""
        usual = cls()
        if not speed:
            return cls(pending=0, stopping=0, shutting_down=0, checks=0)
        return cls(
            pending=usual.pending / speed,
            stopping=usual.stopping / speed,
            shutting_down=usual.shutting_down / speed,
            checks=usual.checks / speed,
        )

    def of(self, state: str) -> float:
        """Seconds that an instance stays in the transitional `state`."""
        return {"pending": self.pending, "stopping": self.stopping, "shutting-down": self.shutting_down}[state]


@dataclass(kw_only=True)
class Timeline:
    """When an instance did what; every time is in epoch seconds.

    `runs` are the spans in which it ran, as [from, to]; `to` is None while it runs. `settles_at` is None in a state that lasts.
    """

    state_since: float
    settles_at: float | None = None
    runs: list[list[float | None]] = field(default_factory=list)

    def enter(self, state: str, *, now: float, settles_at: float | None) -> None:
        """Note that the instance is in `state` from `now` on."""
        self.state_since, self.settles_at = now, settles_at
        if self.runs and self.runs[-1][1] is None and state != "running":
            self.runs[-1][1] = now
        if state == "running" and not (self.runs and self.runs[-1][1] is None):
            self.runs.append([now, None])
        self.runs = [run for run in self.runs if run[1] is None or run[1] > now - RUNS_KEPT]
