"""The settings of .env.example, filled in as it says, make an installation that Django's and our deployment checks find nothing about."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
# What the file leaves to the operator.
FILLED = {
    "SECRET_KEY": "x" * 30 + "abcdefghijklmnopqrstuvwxyz0123456789",
    "SECRETS_KEYS": Fernet.generate_key().decode(),
    "ALLOWED_HOSTS": "portal.example.com",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "",
}


def example() -> dict[str, str]:
    """Every variable of the file, also those that stand there commented out, with the value that stands there."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", text, flags=re.MULTILINE))


def manage(tmp_path: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], **environment, "VAR": str(tmp_path), "STATIC_ROOT": str(tmp_path / "static")}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=60)


def test_the_example_filled_in_is_clean(tmp_path: Path) -> None:
    filled = example() | FILLED
    filled |= {"DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}

    done = manage(tmp_path, filled, "check", "--deploy", "--fail-level", "WARNING")

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_production_settings_protect_cookies_transport_and_administrators(tmp_path: Path) -> None:
    names = [
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        "MFA_REQUIRED_FOR_ADMINS",
        "LOCAL_ACCOUNTS",
        "DEBUG",
    ]
    ask = f"import json; from django.conf import settings; print(json.dumps([getattr(settings, name) for name in {names}]))"

    def settings(**more: str) -> dict[str, object]:
        done = manage(tmp_path, FILLED | more, "shell", "--verbosity", "0", "-c", ask)
        return dict(zip(names, json.loads(done.stdout), strict=True))

    assert settings() == dict(zip(names, [True, True, True, 31_536_000, True, "on", False], strict=True))
    assert settings(OIDC_ISSUER="https://id.example.com/realms/lab")["LOCAL_ACCOUNTS"] == "break-glass"
    assert settings(OIDC_ISSUER="https://id.example.com/realms/lab", LOCAL_ACCOUNTS="off")["LOCAL_ACCOUNTS"] == "off"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MFA_REQUIRED_FOR_ADMINS": "0"}, "MFA_REQUIRED_FOR_ADMINS"),
        ({"LOCAL_ACCOUNTS": "off"}, "people cannot sign in"),
        ({"LOCAL_ACCOUNTS": "maybe"}, "use on, break-glass or off"),
    ],
)
def test_what_would_leave_a_door_open_or_all_of_them_shut_is_warned_of(
    changes: dict[str, str], words: str, tmp_path: Path
) -> None:
    done = manage(tmp_path, FILLED | changes, "check", "--deploy", "--fail-level", "WARNING")

    assert done.returncode != 0
    assert words in done.stderr
