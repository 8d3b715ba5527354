"""Which periodic jobs somebody has paused. The app above this one keeps that, and says so here when it is loaded."""

from __future__ import annotations

from collections.abc import Callable

_why: Callable[[str], str] = lambda job: ""  # noqa: E731 - until somebody knows better, nothing rests


def ask(why: Callable[[str], str]) -> None:
    """From now on `why` is asked: given a job's name, who paused it and why, or "" while it works."""
    global _why  # noqa: PLW0603 - one a process, set once
    _why = why


def why(job: str) -> str:
    """Who paused `job` and why, as words to follow "paused", or "" while it works."""
    return _why(job)
