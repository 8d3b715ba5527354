"""Shapes of JSON: which fields an answer has, and of which types."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

Shape = Any
UUID = re.compile(r"[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}")
NUMBER = (int, float)
TEXT_OR_NULL, WHOLE_OR_NULL, BOOL_OR_NULL = (str, type(None)), (int, type(None)), (bool, type(None))
LAB_STATES = {"DEFINED_ON_CORE", "STOPPED", "STARTED"}
NODE_STATES = {*LAB_STATES, "QUEUED", "BOOTED", "DISCONNECTED", "STARTING"}


class Named:
    """A check with a name of its own."""

    def __init__(self, name: str, test: Any) -> None:
        self.name, self.test = name, test


class By(dict[str, Shape]):
    """An object whose keys are ids; its one value is the shape of each value."""


def _is_time(form: str) -> Any:
    return lambda value: isinstance(value, str) and bool(datetime.strptime(value, form))  # noqa: DTZ007


uuid = Named("a UUID", lambda value: isinstance(value, str) and UUID.fullmatch(value))
aware = Named("a time with a zone", lambda value: isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None)
naive = Named("YYYY-MM-DD HH:MM:SS", _is_time("%Y-%m-%d %H:%M:%S"))
iso = Named("an ISO time", lambda value: isinstance(value, str) and bool(datetime.fromisoformat(value)))


def one_of(words: set[str]) -> Named:
    return Named(f"one of {sorted(words)}", lambda value: value in words)


def or_null(shape: Shape) -> list[Shape]:
    """Written as a list of two: a shape, or null."""
    return [shape, None]


def wrong(value: Any, shape: Shape, at: str = "") -> list[str]:
    """Where a value is not of its shape. A list of one shape is an array of it, a list of two are alternatives."""
    if isinstance(shape, Named):
        return [] if shape.test(value) else [f"{at}: {value!r} is not {shape.name}"]
    if shape is None:
        return [] if value is None else [f"{at}: {value!r} is not null"]
    if isinstance(shape, list) and len(shape) == 2:
        tries = [wrong(value, one, at) for one in shape]
        return [] if [] in tries else tries[0]
    if isinstance(shape, list):
        return (
            [f"{at}: no array"]
            if not isinstance(value, list)
            else [w for one in value for w in wrong(one, shape[0], f"{at}[]")]
        )
    if isinstance(shape, By):
        found = wrong(list(value), [uuid], f"{at} (keys)") if isinstance(value, dict) else [f"{at}: no object"]
        return found or [w for one in value.values() for w in wrong(one, shape["*"], f"{at}.*")]
    if isinstance(shape, dict):
        if not isinstance(value, dict) or set(value) != set(shape):
            return [f"{at}: has {sorted(set(value) ^ set(shape)) if isinstance(value, dict) else value!r} too much or too few"]
        return [w for name, inner in shape.items() for w in wrong(value[name], inner, f"{at}.{name}")]
    kinds = shape if isinstance(shape, tuple) else (shape,)
    fits = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
    return [] if fits else [f"{at}: {value!r} is not of {kinds}"]
