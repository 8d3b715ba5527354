"""When a usage figure has moved enough to be written and announced."""

from __future__ import annotations

from cmlmanager import runtime

LINES = (70, 90)  # warning and critical, percent
LEAST_RATE = 1_000  # bytes per second: less is no traffic worth a line


def significant(old: float | None, new: float | None) -> bool:
    """Whether `new` percent differs from `old` by the threshold, crosses a line, or comes or goes."""
    if old is None or new is None:
        return old is not new
    return abs(new - old) >= runtime.value("USAGE_THRESHOLD") or any((old < line) != (new < line) for line in LINES)


def significant_rate(old: float | None, new: float | None) -> bool:
    """Whether `new` bytes per second differ from `old` by a fifth of the larger, or come or go."""
    if old is None or new is None:
        return old is not new
    return abs(new - old) >= max(LEAST_RATE, max(old, new) / 5)
