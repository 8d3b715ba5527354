"""Usage over time as lines: small ones in rows, charts on a worker's page. Builtins of every template.

Sparklines are in live fragments and depend on nobody; charts tell times in the viewer's zone and are for pages only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from workers.choices import UsageSource
from workers.history import Line, Summary, Usage
from workers.models import Worker
from workers.templatetags.fleet import NOTHING, percent, percent_text, tone_of

register = template.Library()


# ── Figures ────────────────────────────────────────────────────────────────────────────────────────────────────────
def rate_text(value: float | None) -> str:
    """ "1.2 MB/s" from bytes per second, in powers of 1,000 as networks are told; "–" for None."""
    if value is None:
        return NOTHING
    for size, unit in ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")):
        if value >= size:
            return f"{value / size:.{0 if value >= 100 * size else 1}f} {unit}"
    return f"{value:.0f} B/s"


def count_text(value: float | None) -> str:
    """ "12", or "4.3" for a mean; "–" for None."""
    if value is None:
        return NOTHING
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.1f}"


@register.simple_tag
def rate(value: float | None) -> str:
    """Bytes per second in words."""
    return rate_text(value)


# ── Lines ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def path_of(values: Sequence[float | None], *, width: float, height: float, top: float = 100, reach: int = 1) -> str:
    """An SVG path through values spread over `width`, `top` at the top, with a gap where nothing was measured.

    Neighbours up to `reach` steps apart are joined.
    """
    step = width / max(1, len(values) - 1)
    known = [index for index, value in enumerate(values) if value is not None]
    parts: list[str] = []
    for place, index in enumerate(known):
        joined = place > 0 and index - known[place - 1] <= reach
        goes_on = place + 1 < len(known) and known[place + 1] - index <= reach
        x, y = f"{index * step:.4g}", f"{height - (values[index] or 0) / top * height:.4g}"
        # A lone value is a line of no length, which round caps draw as a dot.
        parts.append(f"{'L' if joined else 'M'}{x} {y}" + ("" if joined or goes_on else "h0"))
    return "".join(parts)


@register.simple_tag
def sparkline(values: Iterable[object] | None, label: str) -> SafeString:
    """The last three hours as a small line on a scale of 0–100, with a sentence for those who hear the page."""
    points = [percent(value) for value in values or ()]
    known = [point for point in points if point is not None]
    if not known:
        return format_html('<span class="spark spark-empty" title="{} of the last 3 hours was not measured"></span>', label)
    now = points[-1]
    sentence = f"{label} of the last 3 hours, now {percent_text(now) if now is not None else 'unknown'}, highest {percent_text(max(known))}"
    return format_html(
        '<svg class="spark" width="72" height="20" viewBox="-1 -1 74 22" role="img" aria-label="{}">'
        '<path class="spark-floor" d="M0 20H72"/><path class="spark-line" d="{}"/></svg>',
        sentence,
        path_of(points, width=72, height=20),
    )


@register.simple_tag
def cpu(worker: Worker) -> SafeString:
    """A worker's CPU in a row: the line of the last three hours, and the figure of now."""
    now = percent(worker.cpu)
    recent = getattr(worker, "cpu_recent", None) or ()
    if now is None and not any(value is not None for value in recent):
        return format_html('<span class="nothing" title="CPU is not known">{}</span>', NOTHING)
    return format_html(
        '<span class="cpu" data-tone="{}">{}<span class="meter-value">{}</span></span>',
        tone_of(now),
        sparkline(recent, "CPU"),
        percent_text(now),
    )


# ── Charts ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Chart:
    """A kind of chart: its figures with their labels, how a value is told, and how high it is drawn (pixels)."""

    title: str
    figures: tuple[tuple[str, str], ...]
    text: Callable[[float | None], str]
    empty: str
    height: int
    top: float | None = None  # None: as high as what is shown


CHARTS = {
    "percent": Chart(
        "CPU, memory and disk",
        (("cpu", "CPU"), ("memory", "Memory"), ("disk", "Disk")),
        percent_text,
        "Neither CML nor CloudWatch has told of CPU, memory or disk in this time.",
        200,
        100,
    ),
    "counts": Chart(
        "Running nodes and labs",
        (("nodes", "Nodes"), ("labs", "Labs")),
        count_text,
        "CML has told of no nodes and labs in this time.",
        96,
    ),
    "network": Chart(
        "Network",
        (("network_in", "In"), ("network_out", "Out")),
        rate_text,
        "CloudWatch has told of no traffic in this time.",
        96,
    ),
}


@register.inclusion_tag("components/usage_chart.html")
def usage_chart(usage: Usage, kind: str) -> dict[str, Any]:
    """One chart of `usage` (see history.Usage) of a kind in CHARTS, with lowest, mean and highest in words."""
    chart = CHARTS[kind]
    lines = [usage.lines[name] for name, _ in chart.figures]
    top = chart.top or top_of(max((mean for line in lines for mean in line.means if mean is not None), default=0))
    series = [_series(name, label, line, chart, top) for (name, label), line in zip(chart.figures, lines, strict=True)]
    told = "; ".join(
        f"{one['label']} lowest {one['figures'][1]}, mean {one['figures'][2]}, highest {one['figures'][3]}" for one in series
    )
    last = max((index for line in lines for index, step in enumerate(line.steps) if step), default=0)
    return {
        "kind": kind,
        "title": chart.title,
        "empty": "" if any(line.source for line in lines) else chart.empty,
        "series": series,
        "sentence": f"{chart.title} of the {usage.window.words}. {told}.",
        "scale": [chart.text(top), chart.text(top / 2), chart.text(0)],
        "height": chart.height,
        "labels": time_labels(usage.times[0], usage.times[-1]),
        "readings": _readings(usage.times, series),
        "latest": f"Latest: {_time(usage.times[last])}",
        "start": int(usage.start.timestamp()),
        "step": int(usage.window.step.total_seconds()),
    }


def _series(name: str, label: str, line: Line, chart: Chart, top: float) -> dict[str, Any]:
    latest = next((step for step in reversed(line.steps) if step), None)
    figures = [latest.mean if latest else None, *_figures(line.whole)]
    return {
        "name": name,
        "label": label,
        "texts": [chart.text(value) for value in line.means],
        "path": path_of(line.means, width=1000, height=100, top=top, reach=line.reach),
        "figures": [chart.text(figure) for figure in figures],
    }


def _figures(whole: Summary | None) -> tuple[float | None, ...]:
    return (whole.low, whole.mean, whole.high) if whole else (None,) * 3


def _readings(times: Sequence[datetime], series: Sequence[dict[str, Any]]) -> str:
    """What the hover script reads out: a line for each step, its time and a text for each series."""
    return "\n".join("|".join([_time(at), *(one["texts"][index] for one in series)]) for index, at in enumerate(times))


def _time(at: datetime) -> str:
    # With the zone's name: in the night in which summer time ends, an hour comes twice.
    return timezone.localtime(at).strftime("%a %-d %b, %H:%M %Z")


def top_of(highest: float) -> float:
    """A round number, at least `highest`, whose half is a round number too: 4, 10, 20, 40, 100 …"""
    top = 4.0
    for factor in (2.5, 2, 2) * 12:
        if top >= highest:
            break
        top *= factor
    return top


_TICKS = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=3), timedelta(days=1), timedelta(days=5))
_DATE = {timedelta(days=1): "%a %-d %b", timedelta(days=5): "%-d %b"}


def time_labels(start: datetime, end: datetime) -> list[dict[str, str]]:
    """Whole times along the axis in the viewer's zone, at most eight; `x` in percent, every second one `minor`."""
    span = end - start
    step = next((tick for tick in _TICKS if span / tick <= 8), _TICKS[-1])
    days = step >= timedelta(days=1)
    # Counted on the viewer's clock, so that days begin at midnight on both sides of a change to summer time.
    midnight = timezone.localtime(start).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    labels: list[dict[str, str]] = []
    for index in range(int((span + timedelta(days=1, hours=2)) / step) + 1):
        local = midnight + step * index
        at = timezone.make_aware(local).astimezone(UTC)
        # An hour that summer time leaves out is on no clock.
        exists = days or timezone.localtime(at).replace(tzinfo=None) == local
        if start < at <= end and exists:
            share = (at - start) / span
            labels.append(
                {
                    "x": f"{share * 100:.2f}",
                    "text": local.strftime(_DATE[step] if days else "%H:%M"),
                    "minor": "minor" if len(labels) % 2 else "",
                    "anchor": "end" if share > 0.97 else "start" if share < 0.03 else "middle",
                }
            )
    return labels


# ── Words beside the charts ────────────────────────────────────────────────────────────────────────────────────────
@register.simple_tag
def usage_sources(usage: Usage) -> str:
    """Who told what the charts show, and how often: "CPU by CloudWatch …". "" where nothing was measured."""
    names = {"cpu": "CPU", "memory": "memory", "disk": "disk", "nodes": "nodes", "labs": "labs"}
    names |= {"network_in": "network", "checks_failed": "status checks"}
    parts = []
    for source in UsageSource:
        told = [word for name, word in names.items() if usage.lines[name].source == source]
        if told:
            listed = " and ".join(filter(None, [", ".join(told[:-1]), told[-1]]))
            count = usage.samples[source.value]
            parts.append(f"{listed} from {source.label} ({count:,} reading{'' if count == 1 else 's'})")
    sentence = "; ".join(parts)
    return sentence[:1].upper() + sentence[1:]


@register.simple_tag
def check_history(usage: Usage) -> dict[str, str] | None:
    """What EC2's status checks said in this time as a sentence with its tone; None where nobody asked."""
    whole = usage.lines["checks_failed"].whole
    if whole is None:
        return None
    if not whole.total:
        return {"tone": "good", "icon": "check-circle", "sentence": f"Status checks passed in all {whole.count:,} readings."}
    failed = f"Status checks failed in {whole.total:,.0f} of {whole.count:,} readings."
    return {"tone": "bad", "icon": "exclamation-triangle", "sentence": failed}
