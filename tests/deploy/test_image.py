"""The Dockerfile: linted, its steps run in order from an empty folder, and what it leaves is what may go out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.image import ROOT, Build, Stage

pytestmark = pytest.mark.deploy


def test_the_dockerfile_is_clean() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_every_step_runs_and_the_portal_is_in_it(image: Stage) -> None:
    help_text = image.run(["python", "manage.py", "help", "migrate"]).stderr

    assert "SECRET_KEY" in help_text, "no key came along with the image"
    assert (image.folder / "srv/static/staticfiles.json").exists()
    assert image.user == "10001:10001"


@pytest.mark.parametrize(
    "path", ["cmlmanager/sandbox", "tests", "docs", ".git", ".env", "var", "deploy/compose", "requirements-dev.txt"]
)
def test_what_is_not_for_production_stays_out(image: Stage, path: str) -> None:
    assert not (image.folder / "app" / path).exists()


def test_no_key_of_the_build_is_left(image: Stage) -> None:
    assert not {name for name in image.environment if "KEY" in name or "SECRET" in name or "PASSWORD" in name}


def test_a_file_that_nobody_named_does_not_reach_the_build(tmp_path: Path) -> None:
    build = Build(tmp_path)

    for path in (
        ".env",
        "portal.env",
        "var/db.sqlite3",
        "deploy/compose/secrets/secret_key",
        "cmlmanager/sandbox/people.py",
        "labs/x.pyc",
    ):
        assert build.ignored(path), path
    for path in ("manage.py", "cmlmanager/settings.py", "deploy/container/run", "workers/services/vault.py"):
        assert not build.ignored(path), path
