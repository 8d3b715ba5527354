"""How an operation's steps are told. Nothing here depends on who looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template
from django.utils.dateparse import parse_datetime

from workers import aws_accounts
from workers.choices import StepState
from workers.models import Operation

register = template.Library()

SETTLED = (StepState.DONE, StepState.SKIPPED)


@dataclass(frozen=True)
class Step:
    """One step as a page shows it; `took` is "" until it has ended."""

    name: str
    label: str
    state: StepState
    detail: str
    started_at: datetime | None
    took: str


@dataclass(frozen=True)
class Progress:
    """How many steps are done of all, and the one that is going on, comes next or failed; None when none is left."""

    done: int
    total: int
    current: Step | None


def span_text(seconds: float) -> str:
    """ "0.4 s", "42 s", "3 min 12 s", "1 h 4 min"."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _step(data: dict[str, Any]) -> Step:
    started_at, finished_at = (parse_datetime(data.get(key) or "") for key in ("started_at", "finished_at"))
    took = span_text((finished_at - started_at).total_seconds()) if started_at and finished_at else ""
    return Step(data["name"], data["label"], StepState(data["state"]), data.get("detail", ""), started_at, took)


@register.filter
def story(operation: Operation) -> list[Step]:
    """The steps in order."""
    return [_step(data) for data in operation.steps]


@register.filter
def progress(operation: Operation) -> Progress:
    """How far the operation is."""
    steps = story(operation)
    unsettled = [step for step in steps if step.state not in SETTLED]
    return Progress(len(steps) - len(unsettled), len(steps), unsettled[0] if unsettled else None)


@register.filter
def took(operation: Operation) -> str:
    """From asking to the end; "" while it is in flight."""
    if operation.finished_at is None:
        return ""
    return span_text((operation.finished_at - operation.asked_at).total_seconds())


def _place_of(operation: Operation) -> str:
    region = str(operation.parameters.get("region", ""))
    return aws_accounts.in_words(str(operation.parameters.get("account", "")), region) if region else ""


@register.filter
def about(operation: Operation) -> str:
    """What it is about when no worker's row is left to link to: the name that it had, or the region that was looked at."""
    return operation.worker_name or _place_of(operation)
