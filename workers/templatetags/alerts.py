"""How the alerts of the fleet are shown in the header. Nothing here depends on who looks."""

from __future__ import annotations

from typing import Any

from django import template

from workers.models import Alert

register = template.Library()


@register.inclusion_tag("components/alert_bell.html", takes_context=True)
def alert_bell(context: dict[str, Any]) -> dict[str, Any]:
    """The bell, with what nobody has acknowledged. One query."""
    return {"bell": Alert.objects.bell(), "stream_url": context.get("stream_url", "")}
