"""A real start with good and bad environments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "SECRET_KEY": "x" * 30 + "abcdefghijklmnopqrstuvwxyz0123456789",
    "SECRETS_KEYS": Fernet.generate_key().decode(),
    "ALLOWED_HOSTS": "portal.example.com",
}


def check(tmp_path: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "VAR": str(tmp_path), **GOOD, **changes}
    command = [sys.executable, "manage.py", "check", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_production_settings_pass_the_deployment_checks_without_a_warning(tmp_path: Path) -> None:
    done = check(tmp_path, "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SECRETS_KEYS": ""}, "SECRETS_KEYS"),
        ({"SECRETS_KEYS": "short"}, "SECRETS_KEYS"),
        ({"AWS_REGIONS": ""}, "AWS_REGIONS"),
        ({"AWS_REGIONS": "us-east-1,us-east-1"}, "AWS_REGIONS"),
        ({"AWS_ACCOUNTS": "training"}, "AWS_ACCOUNTS is no JSON"),
        ({"AWS_ACCOUNTS": '[{"name": "a", "role_arn": "portal"}]'}, "role_arn must look like"),
        ({"AWS_ACCOUNTS": '[{"name": "a"}, {"name": "b"}]'}, "belong to one account only"),
        ({"SANDBOX": "1"}, "AWS_ENDPOINT_URL"),
        ({"STATE_INTERVAL": "often"}, "STATE_INTERVAL"),
        ({"CML_TLS_POLICY": "maybe"}, "CML_TLS_POLICY"),
        ({"DATABASE_URL": "nonsense://"}, "nonsense"),
        ({"SESSION_IDLE_MINUTES": "2"}, "SESSION_IDLE_MINUTES"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_setting_stops_the_start_and_is_named(changes: dict[str, str], named: str, tmp_path: Path) -> None:
    done = check(tmp_path, **changes)
    assert done.returncode != 0
    assert named in done.stderr


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SANDBOX": "1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "SANDBOX is on"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS"),
        ({"CML_TLS_POLICY": "off"}, "CML_TLS_POLICY"),
        ({"SESSION_IDLE_MINUTES": "6"}, "SESSION_WARNING_MINUTES"),
        ({"SESSION_IDLE_MINUTES": "900"}, "SESSION_IDLE_MINUTES"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_must_not_be_deployed_is_named(changes: dict[str, str], named: str, tmp_path: Path) -> None:
    done = check(tmp_path, "--deploy", "--fail-level", "WARNING", **changes)
    assert done.returncode != 0
    assert named in done.stderr
