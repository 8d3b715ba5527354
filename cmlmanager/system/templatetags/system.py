"""The header's line, and lengths of time. Builtins of every template."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cmlmanager.system import reading

register = template.Library()


@register.inclusion_tag("system/components/line.html")
def system_line() -> dict[str, Any]:
    """What is wrong with the system, for the header of an administrator's pages. One query."""
    return {"line": reading.line()}


@register.simple_tag
def took(milliseconds: object) -> SafeString:
    """ "84 ms", "3.2 s", "4 min 5 s"; "–" for what is no number."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return format_html('<span class="nothing">{}</span>', "–")
    seconds = milliseconds / 1000
    if milliseconds < 999.5:
        return format_html("{} ms", f"{milliseconds:.0f}" if milliseconds >= 1 else "< 1")
    if seconds < 60:
        return format_html("{} s", f"{seconds:.1f}")
    return format_html("{} min {} s", int(seconds // 60), int(seconds % 60))
