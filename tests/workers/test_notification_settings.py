"""Settings that cannot work are named before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from cmlmanager import checks


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"EMAIL_USE_TLS": True, "EMAIL_USE_SSL": True}, "EMAIL_USE_SSL"),
        ({"DEFAULT_FROM_EMAIL": "nobody"}, "DEFAULT_FROM_EMAIL"),
        ({"EMAIL_HOST": "smtp.example.com", "DEFAULT_FROM_EMAIL": ""}, "e-mail stays off"),
        ({"PORTAL_URL": "portal.example.com"}, "PORTAL_URL"),
        ({"PORTAL_URL": "https://portal.example.com/path"}, "PORTAL_URL"),
        ({"PORTAL_URL": "javascript:alert(1)"}, "PORTAL_URL"),
    ],
    ids=str,
)
def test_what_cannot_work_is_named(changes: dict[str, Any], named: str, settings: Any) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    [problem] = checks.check_notifications()
    assert named in problem.msg


def test_the_defaults_are_safe_and_complete(settings: Any) -> None:
    assert checks.check_notifications() == []
    assert not settings.NOTIFY_PRIVATE_NETWORKS
    assert not settings.NOTIFY_LOOPBACK
    settings.NOTIFY_LOOPBACK = True
    assert any("NOTIFY_LOOPBACK" in problem.msg for problem in checks.check_production())
