"""What the pages of second factors need beyond allauth's variables."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.contrib.auth.password_validation import password_validators_help_texts
from django.http import HttpRequest

from accounts.local import duties, factors

register = template.Library()


@register.filter
def as_json(value: Any) -> str:
    """For a data attribute, where autoescaping makes it safe: a script element with data would have to be allowed by the CSP's reader, too."""
    return json.dumps(value)


@register.simple_tag
def password_rules() -> list[str]:
    """The rules of passwords, as sentences."""
    return password_validators_help_texts()


@register.simple_tag
def passkeys_work(request: HttpRequest) -> bool:
    """Whether a browser could use passkeys under the address that this page was opened at."""
    return factors.passkeys_work_at(request)


@register.simple_tag
def second_factor_is_due(request: HttpRequest) -> bool:
    """Whether this person may do nothing else before one is set up."""
    return duties.needs_second_factor(request.user) and not factors.has_strong_factor(request.user)  # type: ignore[arg-type]
