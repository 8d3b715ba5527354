"""Lenient reading of single JSON values: CML's answers differ between versions and break its own description.

Each function takes whatever JSON held and returns the asked type or the value for "not known"; none raises.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

_LARGEST = 2**63 - 1  # what a database's big integer holds


def mapping(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The array, or an empty one; also the values of an object, since some versions key arrays by id."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def integer(value: Any) -> int | None:
    """A number that a database can hold, 0 or more; CML 2.9 gives sizes as floats."""
    result = number(value)
    return int(value) if result is not None and 0 <= result < _LARGEST else None


def coordinate(value: Any) -> int | None:
    """A whole number of either sign, as far as CML's pictures reach (15000) and well beyond."""
    result = number(value)
    return round(result) if result is not None and abs(result) <= 1_000_000 else None


def percent(value: Any) -> float | None:
    """A percentage, brought into 0-100: CML's moving averages leave the range for a moment."""
    result = number(value)
    return None if result is None else min(100.0, max(0.0, result))


def share(used: Any, total: Any) -> float | None:
    """`used` of `total` in percent."""
    part, whole = number(used), number(total)
    return percent(part / whole * 100) if part is not None and whole else None


def flag(value: Any) -> bool | None:
    """True or false; anything else is not known."""
    return value if isinstance(value, bool) else None


def text(value: Any) -> str:
    """A string that every database and encoding takes: without NUL characters and lone surrogates."""
    if not isinstance(value, str):
        return ""
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def moment(value: Any) -> datetime | None:
    """A time, aware and in UTC. CML's licence dates are naive `YYYY-MM-DD HH:MM:SS` and mean UTC; others are ISO 8601."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value.strip())
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
