"""How licences are drawn: what is in use of how much, and when something ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from workers.templatetags.fleet import NOTHING, utc_text

register = template.Library()

SOON, VERY_SOON = 30, 7  # days


@register.simple_tag
def of_max(in_use: object, most: object, label: str) -> SafeString:
    """A bar with "200 / 500"; the number alone when there is no most."""
    if not isinstance(in_use, int):
        return format_html('<span class="nothing" title="{} is not known">{}</span>', label, NOTHING)
    if not isinstance(most, int) or most <= 0:
        return format_html('<span class="ratio">{}</span>', in_use)
    share = min(100.0, in_use / most * 100)
    return format_html(
        '<span class="meter" data-tone="{tone}" role="meter" aria-label="{label}" aria-valuemin="0" aria-valuemax="{most}" '
        'aria-valuenow="{now}" aria-valuetext="{used} of {most}">'
        '<svg class="meter-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="meter-track" width="100" height="6"/><rect class="meter-fill" width="{share}" height="6"/></svg>'
        '<span class="meter-value">{used}<span class="of"> / {most}</span></span></span>',
        tone="bad" if in_use > most else "good",
        label=label,
        most=most,
        now=min(in_use, most),
        used=in_use,
        share=f"{share:.0f}",
    )


@register.simple_tag
def expiry(at: datetime | None) -> SafeString:
    """A day with how far it is: "26 Aug 2026, in 270 days". For pages: it does not tick."""
    if not at:
        return format_html('<span class="nothing">{}</span>', NOTHING)
    days = (at - timezone.now()).total_seconds() / 86_400
    tone = "bad" if days <= VERY_SOON else "warn" if days <= SOON else ""
    return format_html(
        '<span class="ends"{}><time datetime="{}" title="{}">{}</time> <span class="under">{}</span></span>',
        format_html(' data-tone="{}"', tone) if tone else "",
        at.astimezone(UTC).isoformat(timespec="seconds"),
        utc_text(at),
        timezone.localtime(at).strftime("%-d %b %Y"),
        _far(days),
    )


def _far(days: float) -> str:
    whole = int(abs(days))
    if days < 0:
        return "ended today" if whole == 0 else f"ended {whole} day{'' if whole == 1 else 's'} ago"
    return "in less than a day" if whole == 0 else f"in {whole} day{'' if whole == 1 else 's'}"


@register.filter
def as_time(text: Any) -> datetime | None:
    """A time that was kept as ISO text."""
    return parse_datetime(text) if isinstance(text, str) and text else None
