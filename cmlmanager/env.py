"""Readers of environment variables. Each fails loudly and names the variable, so that a typing error stops the start and not a lesson."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str | None = None) -> str:
    """The value of `name`, or of the file that `name`_FILE points to (for secrets mounted by an orchestrator).

    Raises ImproperlyConfigured when both are set, when the file cannot be read, or when neither is set and there is no default.
    """
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value is not None and path:
        raise ImproperlyConfigured(f"Both {name} and {name}_FILE are set; remove one of them.")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE points to a file that cannot be read: {error.strerror}.") from error
    if value is not None:
        return value
    if default is None:
        raise ImproperlyConfigured(f"Set {name} (or {name}_FILE); .env.example explains it.")
    return default


def boolean(name: str, default: bool) -> bool:
    """`name` as a yes or no: 1/0, true/false, yes/no, on/off. Raises ImproperlyConfigured for anything else."""
    value = text(name, "1" if default else "0").strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; use 1 or 0.")


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 10**9) -> int:
    """`name` as a whole number within bounds. Raises ImproperlyConfigured otherwise."""
    value = text(name, str(default)).strip()
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}; use a whole number.") from None
    if not minimum <= number <= maximum:
        raise ImproperlyConfigured(f"{name} is {number}; use a number from {minimum} to {maximum}.")
    return number


def names(name: str, default: str = "") -> list[str]:
    """`name` as a list of words separated by commas; empty words are dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def document(name: str, default: str) -> Any:
    """`name` as JSON. Raises ImproperlyConfigured for anything else, with the place of the error."""
    try:
        return json.loads(text(name, default) or default)
    except json.JSONDecodeError as error:
        raise ImproperlyConfigured(f"{name} is no JSON: {error}.") from None
