"""Changes and times in words."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.utils.timesince import timesince

from cmlmanager.runtime.kinds import Setting, Templates


def ago(at: datetime | None, now: datetime) -> str:
    """ "3 minutes ago", "a moment ago"."""
    if at is None or (now - at).total_seconds() < 60:
        return "a moment ago"
    return f"{timesince(at, now, depth=1)} ago".replace("\xa0", " ")


def change_in_words(setting: Setting, old: Any, new: Any) -> tuple[str, str]:
    """What it was and what it is, for the audit; of templates only what differs."""
    if not isinstance(setting, Templates):
        return setting.words(old), setting.words(new)
    before = {str(item.get("name", "?")): item for item in old}
    after = {str(item.get("name", "?")): item for item in new}
    differing = [
        name for name in [*before, *(name for name in after if name not in before)] if before.get(name) != after.get(name)
    ]
    if not differing:  # another order
        return setting.words(old), setting.words(new)
    return (
        "; ".join(_template(name, before.get(name), after.get(name)) for name in differing),
        "; ".join(_template(name, after.get(name), before.get(name)) for name in differing),
    )


def _template(name: str, item: dict[str, Any] | None, other: dict[str, Any] | None) -> str:
    if item is None:
        return f"no {name}"
    fields = {key: value for key, value in item.items() if key != "name" and (other is None or other.get(key) != value)}
    told = ", ".join(f"{key} {value if isinstance(value, str) else json.dumps(value)}" for key, value in fields.items())
    return f"{name}: {told}" if told else f"{name}"
