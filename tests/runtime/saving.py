"""What a browser sends when a person saves settings."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from cmlmanager.runtime.registry import BY_NAME
from cmlmanager.runtime.standing import standings


def filled(group: str, **entered: Any) -> dict[str, Any]:
    """The form of `group` as the page shows it now, with `entered` in it. None takes a field away, as an unticked box does."""
    fields: dict[str, Any] = {}
    found = standings()
    for name, setting in BY_NAME.items():
        if setting.group.slug != group:
            continue
        value = found[name].value
        fields[f"seen_{name}"] = json.dumps([found[name].version, value])
        if value is not False:
            fields[name] = "on" if value is True else value
    return {name: value for name, value in (fields | entered).items() if value is not None}


def save(browser: Client, group: str, **entered: Any) -> HttpResponse:
    """Open the page, enter this, and save."""
    return browser.post(f"/settings/{group}/", filled(group, **entered), REMOTE_ADDR="192.0.2.7")
