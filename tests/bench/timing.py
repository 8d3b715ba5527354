"""Clocks and the numbers made of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence


def seconds_of(work: Callable[[], object]) -> float:
    """How long `work` takes, in seconds of wall time."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank). Raises ValueError for no values."""
    if not values:
        raise ValueError("Nothing was measured.")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Sequence[float]) -> float:
    """The 50th percentile."""
    return percentile(values, 50)
