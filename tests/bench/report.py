"""What a bench found: lines with their goals, as a table for people and as JSON for whoever compares runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

_HEADINGS = ("what", "measured", "plain version", "goal", "")


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a value has to be."""

    kind: Literal["at most", "at least"]
    limit: float

    def is_met_by(self, value: float) -> bool:
        return value <= self.limit if self.kind == "at most" else value >= self.limit


@dataclass(frozen=True, kw_only=True)
class Line:
    """One number. `plain` is the same number of the plain version, in the same unit; `note` says what the two are and how measured."""

    key: str  # bench.number, stable between runs
    what: str
    value: float
    unit: str = ""
    plain: float | None = None
    goal: Goal | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met, None without one."""
        return None if self.goal is None else self.goal.is_met_by(self.value)


@dataclass(kw_only=True)
class Report:
    """A run of some benches. `problems` are those that did not run to their end, with why; they count as missed."""

    machine: dict[str, Any]
    quick: bool
    lines: list[Line] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def missed(self) -> list[str]:
        return [line.key for line in self.lines if line.met is False] + sorted(self.problems)

    def as_json(self) -> dict[str, Any]:
        """The run for a file."""
        lines = [asdict(line) | {"met": line.met} for line in self.lines]
        return {
            "machine": self.machine,
            "quick": self.quick,
            "seconds": {name: round(spent, 1) for name, spent in self.seconds.items()},
            "lines": lines,
            "skipped": self.skipped,
            "problems": self.problems,
            "missed": self.missed,
        }


def number(value: float, unit: str = "") -> str:
    """Three significant digits, whole numbers whole."""
    whole = value == int(value) or abs(value) >= 100
    digits = 0 if whole else 2 if abs(value) < 10 else 1
    return f"{value:,.{digits}f} {unit}".strip()


def _cells(line: Line) -> tuple[str, ...]:
    plain = "" if line.plain is None else number(line.plain, line.unit)
    goal = "" if line.goal is None else f"{line.goal.kind} {number(line.goal.limit, line.unit)}"
    return (line.what, number(line.value, line.unit), plain, goal, {None: "", True: "met", False: "MISSED"}[line.met])


def table(lines: Iterable[Line]) -> str:
    """The lines in columns for a terminal, each followed by its note."""
    found = list(lines)
    rows = [_HEADINGS, *(_cells(line) for line in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    printed = [_aligned(rows[0], widths), "  ".join("─" * width for width in widths)]
    for line, row in zip(found, rows[1:], strict=True):
        printed.append(_aligned(row, widths))
        if line.note:
            printed.append(f"    {line.note}")
    return "\n".join(printed)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *figures, last = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in figures), last[0]]
    return "  ".join(cells).rstrip()


def markdown(lines: Iterable[Line]) -> str:
    """The lines as a Markdown table, for docs/bench/README.md."""
    rows = [_HEADINGS, ("---", "---:", "---:", "---:", "---"), *(_cells(line) for line in lines)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
