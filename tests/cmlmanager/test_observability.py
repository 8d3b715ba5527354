"""Logs as lines or as JSON, once each; probes that tell a stranger nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "import django, logging; django.setup(); logging.getLogger('workers.x').warning('a %s', 'line', extra={'region': 'us-east-1'})"


def logged(tmp_path: Path, **changes: str) -> list[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "VAR": str(tmp_path),
        "SECRET_KEY": "x",
        "DJANGO_SETTINGS_MODULE": "cmlmanager.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment | changes, capture_output=True, text=True, check=True
    )
    return done.stderr.splitlines()


def test_json_logs_hold_the_context(tmp_path: Path) -> None:
    (line,) = logged(tmp_path, LOG_JSON="1")
    entry = json.loads(line)
    assert (entry["level"], entry["logger"], entry["message"], entry["region"]) == (
        "WARNING",
        "workers.x",
        "a line",
        "us-east-1",
    )


def test_a_line_is_logged_once(tmp_path: Path) -> None:
    (line,) = logged(tmp_path)
    assert line.endswith("WARNING workers.x: a line")


@pytest.mark.django_db
def test_probes_answer_without_sign_in_and_tell_nothing_more() -> None:
    browser = Client()

    assert browser.get("/livez").json() == {"status": "ok"}
    ready = browser.get("/readyz")

    assert ready.status_code == 200
    assert ready.json() == {"status": "ok", "database": "ok", "redis": "unreachable"}


@pytest.mark.django_db
def test_an_unknown_host_is_refused() -> None:
    assert Client().get("/livez", headers={"Host": "evil.example.com"}).status_code == 400
