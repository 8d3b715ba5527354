"""What a request's body may hold, read as strictly as CML does: every field is known, has its type, and keeps its limits.

A kind is called with a value and the place that it stands at, and gives the value back or raises `ApiError` 400.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cmlmanager.sandbox.cml.errors import invalid

Place = list[str | int]
Kind = Callable[[Any, Place], Any]
UUID = re.compile(r"[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}")


@dataclass(frozen=True, kw_only=True)
class Text:
    """A string of so many characters that matches a pattern as a whole."""

    least: int = 0
    most: int = 256
    pattern: str = ""

    def __call__(self, value: Any, at: Place) -> str:
        if not isinstance(value, str):
            raise invalid(at, "string_type", "Input should be a valid string")
        if len(value) < self.least:
            raise invalid(at, "string_too_short", f"String should have at least {self.least} character{'s' * (self.least > 1)}")
        if len(value) > self.most:
            raise invalid(at, "string_too_long", f"String should have at most {self.most} characters")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise invalid(at, "string_pattern_mismatch", f"String should match pattern '{self.pattern}'")
        return value


@dataclass(frozen=True, kw_only=True)
class Whole:
    """An integer within bounds."""

    least: int = 0
    most: int = 2**31

    def __call__(self, value: Any, at: Place) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(at, "int_type", "Input should be a valid integer")
        if value < self.least:
            raise invalid(at, "greater_than_equal", f"Input should be greater than or equal to {self.least}")
        if value > self.most:
            raise invalid(at, "less_than_equal", f"Input should be less than or equal to {self.most}")
        return value


@dataclass(frozen=True)
class Choice:
    """One of these strings."""

    words: tuple[str, ...]

    def __call__(self, value: Any, at: Place) -> str:
        if value not in self.words:
            raise invalid(at, "enum", f"Input should be {', '.join(map(repr, self.words))}")
        return str(value)


@dataclass(frozen=True)
class Nullable:
    """What `kind` reads, or null."""

    kind: Kind

    def __call__(self, value: Any, at: Place) -> Any:
        return None if value is None else self.kind(value, at)


@dataclass(frozen=True, kw_only=True)
class Items:
    """An array of so many values of one kind."""

    of: Kind
    least: int = 0
    most: int = 10_000

    def __call__(self, value: Any, at: Place) -> list[Any]:
        if not isinstance(value, list):
            raise invalid(at, "list_type", "Input should be a valid list")
        if len(value) < self.least:
            raise invalid(at, "too_short", f"List should have at least {self.least} item after validation, not {len(value)}")
        if len(value) > self.most:
            raise invalid(at, "too_long", f"List should have at most {self.most} items after validation, not {len(value)}")
        return [self.of(item, [*at, position]) for position, item in enumerate(value)]


class Fields:
    """An object with these fields and no other; the names in `required` must be there."""

    def __init__(self, kinds: dict[str, Kind], *, required: tuple[str, ...] = ()) -> None:
        self._kinds = kinds
        self._required = required

    def __call__(self, value: Any, at: Place) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid(at, "model_attributes_type", "Input should be a valid dictionary")
        for name in value:
            if name not in self._kinds:
                raise invalid([*at, str(name)], "extra_forbidden", "Extra inputs are not permitted")
        for name in self._required:
            if name not in value:
                raise invalid([*at, name], "missing", "Field required")
        return {name: self._kinds[name](inner, [*at, name]) for name, inner in value.items()}


def flag(value: Any, at: Place) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise invalid(at, "bool_type", "Input should be a valid boolean")
    return value


def number(value: Any, at: Place) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(at, "float_type", "Input should be a valid number")
    return value


def uuid4(value: Any, at: Place) -> str:
    """A UUID of version 4 in lower case."""
    if not isinstance(value, str) or not UUID.fullmatch(value):
        raise invalid(at, "string_pattern_mismatch", "String should match the pattern of a UUID4")
    return value


def anything(value: Any, at: Place) -> Any:
    """Whatever it is."""
    return value
