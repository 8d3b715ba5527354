"""What was found out about a realm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """OK; UNKNOWN: it could not be found out from here; WARNING: it works, and should be otherwise; PROBLEM: it does not work, or lets people in
    who should not be."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `name` is a stable word for scripts; `sentence` and `advice` are for people, advice only where there is some."""

    name: str
    state: State
    sentence: str
    advice: str = ""


def worst(findings: Iterable[Finding]) -> State:
    """The gravest state among them; OK without any. What could not be found out is not grave."""
    grave = {finding.state for finding in findings}
    return next((state for state in (State.PROBLEM, State.WARNING) if state in grave), State.OK)


def ok(name: str, sentence: str) -> Finding:
    return Finding(name, State.OK, sentence)


def unknown(name: str, sentence: str, advice: str = "") -> Finding:
    return Finding(name, State.UNKNOWN, sentence, advice)


def warning(name: str, sentence: str, advice: str) -> Finding:
    return Finding(name, State.WARNING, sentence, advice)


def problem(name: str, sentence: str, advice: str) -> Finding:
    return Finding(name, State.PROBLEM, sentence, advice)
