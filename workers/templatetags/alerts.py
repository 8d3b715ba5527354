"""How the alerts of the fleet are shown in the header. Nothing here depends on who looks."""

from __future__ import annotations

from typing import Any

from django import template

from workers.models import Alert, Worker

register = template.Library()


@register.inclusion_tag("components/alert_bell.html", takes_context=True)
def alert_bell(context: dict[str, Any]) -> dict[str, Any]:
    """The bell, with what nobody has acknowledged and how many workers fail. Two queries; one where the page has counted the fleet."""
    counts = context.get("counts")
    failing = counts["failing"] if isinstance(counts, dict) and "failing" in counts else Worker.objects.failing()
    return {"bell": Alert.objects.bell(), "failing": failing, "stream_url": context.get("stream_url", "")}
