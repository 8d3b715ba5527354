"""How states, figures and ages are drawn. Builtins of every template; nothing here depends on who looks.

Everything is escaped by format_html; figures from outside are clamped to 0–100 percent, and what is no number is shown as "–".
"""

from __future__ import annotations

import functools
import math
from datetime import UTC, datetime
from typing import Protocol

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cmlmanager import runtime
from workers.choices import Look, MachineState
from workers.models import Worker, stale_after

register = template.Library()

NOTHING = "–"
CLOUDWATCH_DELAY = 600  # seconds: a period and the time until CloudWatch has it
WARN_AT, BAD_AT = 70, 90  # percent; also the lines at which usage is announced


class State(Protocol):
    """A member of a choices class that knows its look."""

    label: str
    look: Look


def percent(value: object) -> float | None:
    """`value` as a percentage within 0–100; None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(100.0, max(0.0, float(value)))


def percent_text(value: float | None) -> str:
    """ "42 %", or "–"."""
    return NOTHING if value is None else f"{value:.0f} %"


def tone_of(value: float | None) -> str:
    """The tone of a usage figure: bad from 90, warn from 70, good below, unknown without one."""
    if value is None:
        return "unknown"
    return "bad" if value >= BAD_AT else "warn" if value >= WARN_AT else "good"


# ── States ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@functools.lru_cache(maxsize=128)
def _badge(label: str, tone: str, icon: str, hint: str) -> SafeString:
    # There are few states and many rows: each badge is rendered once a process.
    return render_to_string("components/badge.html", {"label": label, "tone": tone, "icon": icon, "hint": hint})


@register.simple_tag
def badge(state: State | None) -> SafeString:
    """A state as shape, word and tone. Nothing for None and for a name that the template did not find ("")."""
    if not state:
        return SafeString("")
    look = state.look
    return _badge(str(state.label), look.tone, look.icon, look.hint)


# ── Figures ────────────────────────────────────────────────────────────────────────────────────────────────────────
@register.simple_tag
def meter(value: object, label: str) -> SafeString:
    """A bar of 0–100 with its number; `label` says of what, for those who hear the page."""
    known = percent(value)
    if known is None:
        return format_html('<span class="nothing" title="{} is not known">{}</span>', label, NOTHING)
    return format_html(
        '<span class="meter" data-tone="{tone}" role="meter" aria-label="{label}" aria-valuemin="0" aria-valuemax="100" '
        'aria-valuenow="{now}" aria-valuetext="{text}">'
        '<svg class="meter-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="meter-track" width="100" height="6"/><rect class="meter-fill" width="{now}" height="6"/></svg>'
        '<span class="meter-value">{text}</span></span>',
        tone=tone_of(known),
        label=label,
        now=f"{known:.0f}",
        text=percent_text(known),
    )


@register.simple_tag
def ratio(part: object, whole: object) -> SafeString:
    """ "2 / 7", or "–" when neither is known."""
    if part is None and whole is None:
        return format_html('<span class="nothing">{}</span>', NOTHING)
    return format_html(
        '<span class="ratio">{}<span class="of"> / {}</span></span>',
        NOTHING if part is None else part,
        NOTHING if whole is None else whole,
    )


@register.simple_tag
def sizes(used: object, total: object) -> str:
    """ "12.4 of 61.8 GiB", from bytes; "–" when neither is known."""
    if not isinstance(total, int | float) or isinstance(total, bool) or not math.isfinite(total):
        return NOTHING
    unit, size = next((one for one in _SIZES if total >= one[1]), _SIZES[-1])
    part = f"{_short(used / size)} of " if isinstance(used, int | float) and math.isfinite(used) else ""
    return f"{part}{_short(total / size)} {unit}"


def _short(number: float) -> str:
    return f"{number:.1f}" if number < 100 else f"{number:.0f}"


_SIZES = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20))


# ── Times ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def age_text(seconds: float) -> str:
    """ "14 s ago", "3 min ago", "2 h ago", "5 d ago". static/js/age.js says the same."""
    whole = max(0, int(seconds))
    for limit, size, unit in ((60, 1, "s"), (3600, 60, "min"), (48 * 3600, 3600, "h")):
        if whole < limit:
            return f"{whole // size} {unit} ago"
    return f"{whole // 86_400} d ago"


def utc_text(at: datetime) -> str:
    """ "23 Nov 2026, 14:03:09 UTC"."""
    return at.astimezone(UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


@register.simple_tag
def age(at: datetime | None, stale_seconds: float = 0, key: str = "") -> SafeString:
    """How long ago `at` was; static/js/age.js ticks it. Older than `stale_seconds` (0: never) it is marked, and CSS adds the word.

    `key` names the source, such as aws:us-east-1, so that a fresh reading without any change makes it young again.
    """
    if not at:
        return format_html('<span class="age never">{}</span>', "never")
    seconds = (timezone.now() - at).total_seconds()
    return format_html(
        '<time class="age" datetime="{}" title="{}" data-age{}{}{}>{}</time>',
        at.astimezone(UTC).isoformat(timespec="seconds"),
        utc_text(at),
        format_html(' data-checked="{}"', key) if key else "",
        format_html(' data-stale-after="{}"', int(stale_seconds)) if stale_seconds else "",
        SafeString(" data-stale") if stale_seconds and seconds > stale_seconds else "",
        age_text(seconds),
    )


@register.simple_tag
def aws_age(worker: Worker) -> SafeString:
    """When EC2 last told of this worker. Nobody asks after one that is gone, so that never turns stale."""
    if worker.machine_state in (MachineState.TERMINATED, MachineState.FAILED):
        return age(worker.aws_succeeded_at)
    return age(worker.aws_succeeded_at, stale_after(runtime.value("STATE_INTERVAL")).total_seconds(), f"aws:{worker.place}")


@register.simple_tag
def cml_age(worker: Worker) -> SafeString:
    """When this worker's CML last answered. It is asked only while the machine runs."""
    if worker.machine_state != MachineState.RUNNING:
        return age(worker.cml_succeeded_at)
    return age(worker.cml_succeeded_at, stale_after(runtime.value("CML_INTERVAL")).total_seconds(), f"cml:{worker.pk}")


@register.simple_tag
def metrics_age(worker: Worker) -> SafeString:
    """Until when CloudWatch's newest figures for this worker reach: it tells of five minutes at a time, some minutes later."""
    if worker.machine_state != MachineState.RUNNING:
        return age(worker.metrics_at)
    return age(worker.metrics_at, stale_after(runtime.value("METRICS_INTERVAL")).total_seconds() + CLOUDWATCH_DELAY)


@register.simple_tag
def utc(at: datetime | None) -> SafeString:
    """A moment in UTC, for fragments that are rendered once for everybody. The page's script tells the person's own on hover."""
    if not at:
        return SafeString(NOTHING)
    return format_html('<time datetime="{}">{}</time>', at.astimezone(UTC).isoformat(timespec="seconds"), utc_text(at))


@register.filter
def moment(at: datetime | None) -> str:
    """A moment in the viewer's zone: "14:03" today, "21 Nov, 14:03" before. For pages, not for live fragments."""
    if not at:
        return "never"
    local = timezone.localtime(at)
    today = timezone.localdate()
    if local.date() == today:
        return local.strftime("%H:%M")
    return local.strftime("%-d %b, %H:%M" if local.year == today.year else "%-d %b %Y, %H:%M")
