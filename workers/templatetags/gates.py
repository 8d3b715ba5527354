"""How long a step of an operation took."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from workers.choices import StepState
from workers.templatetags.fleet import age, badge

register = template.Library()


@register.simple_tag
def step_badge(step: dict[str, Any]) -> SafeString:
    """A step's state."""
    state: Any = StepState(step["state"])
    return SafeString(badge(state))


@register.simple_tag
def step_since(step: dict[str, Any]) -> SafeString:
    """How long ago the step began; the page's script ticks it."""
    return age(parse_datetime(step["started_at"])) if step["started_at"] else SafeString("")


@register.filter
def took(step: dict[str, Any]) -> str:
    """ "8 s" or "12 min 5 s" for a step that has ended, else ""."""
    began, ended = (parse_datetime(step[name]) if step.get(name) else None for name in ("started_at", "finished_at"))
    if not began or not ended:
        return ""
    seconds = max(0, round((ended - began).total_seconds()))
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60} s"
