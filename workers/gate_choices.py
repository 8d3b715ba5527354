"""How far a gate on a worker's way to readiness is open, and how that looks."""

from __future__ import annotations

from django.db.models import TextChoices

from workers.choices import Look


class GateState(TextChoices):
    """Open, shut, or not to be told now. `SOON` is only shown: a shut gate that is expected to open by itself."""

    OPEN = "open", "Open"
    SHUT = "shut", "Shut"
    UNKNOWN = "unknown", "Unknown"
    SOON = "soon", "Not yet"

    @property
    def look(self) -> Look:
        return _LOOKS[self]


_LOOKS = {
    GateState.OPEN: Look("good", "check-circle", "Passed."),
    GateState.SHUT: Look("bad", "lock-closed", "Shut: it will not open by itself."),
    GateState.UNKNOWN: Look("off", "minus-circle", "Cannot be told now."),
    GateState.SOON: Look("busy", "clock", "Not open yet; this takes its time."),
}
