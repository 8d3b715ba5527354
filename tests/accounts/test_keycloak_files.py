"""What deploy/keycloak ships, read as files; tests/keycloak has it imported by a real Keycloak."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.oidc.problems import Problem

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "deploy" / "keycloak").rglob("*.json"))
PLACEHOLDER = re.compile(r"\$\{[A-Z_]+\}")


def values(document: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Every leaf with the key that it stands under."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from values(value, name)
    elif isinstance(document, list):
        for value in document:
            yield from values(value, key)
    else:
        yield key, document


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_secret_is_in_a_realm_file(file: Path) -> None:
    secrets = [str(value) for key, value in values(json.loads(file.read_text())) if key in {"secret", "value"}]
    assert len(secrets) in {1, 3}
    assert all(PLACEHOLDER.fullmatch(secret) for secret in secrets)


def test_no_address_of_somebodys_portal_is_in_the_realm() -> None:
    realm = (ROOT / "deploy" / "keycloak" / "cml-realm.json").read_text()
    assert "http://" not in realm
    assert "https://" not in realm
    assert set(PLACEHOLDER.findall(realm)) == {"${PORTAL_URL}", "${OIDC_CLIENT_SECRET}"}
    assert "${PORTAL_BACKCHANNEL_URL:${PORTAL_URL}}/oidc/backchannel-logout/" in realm


def test_the_realm_itself_has_no_people() -> None:
    assert "users" not in json.loads((ROOT / "deploy" / "keycloak" / "cml-realm.json").read_text())


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with a shell's tools and nothing else: no Java, no Maven, no apt."""
    for name in ("sh", "sed", "grep", "id", "echo"):
        found = shutil.which(name)
        assert found
        (tmp_path / name).symlink_to(found)
    return str(tmp_path)


@pytest.mark.parametrize(("ci", "status"), [("", 3), ("true", 1)])
def test_without_java_and_maven_a_sentence_says_so_and_only_ci_fails(ci: str, status: int, bare_path: str) -> None:
    done = subprocess.run(
        [ROOT / "tests" / "keycloak" / "prepare.sh"],
        env={"PATH": bare_path, "CI": ci},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status
    assert "did not run: they need Java 17 and Maven. Install it" in done.stderr


def test_an_old_java_is_named(bare_path: str) -> None:
    for name, said in (("java", 'openjdk version "11.0.2" 2019-01-15'), ("mvn", "Apache Maven")):
        program = Path(bare_path) / name
        program.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
        program.chmod(0o755)

    done = subprocess.run([ROOT / "tests" / "keycloak" / "prepare.sh"], env={"PATH": bare_path}, capture_output=True, text=True)

    assert "they need Java 17." in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="this is about the Makefile")
def test_ci_runs_them() -> None:
    assert "CI=true make test-keycloak" in (ROOT / ".ci" / "run").read_text()
    dry = subprocess.run(
        ["make", "-n", "-C", str(ROOT), "test-keycloak"], capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
    )
    assert "tests/keycloak/prepare.sh" in dry.stdout


def test_the_guide_explains_every_sentence_of_the_sign_in_page() -> None:
    guide = (ROOT / "docs" / "keycloak.md").read_text()
    sentences = [problem.label.format(provider="Keycloak", contact="") for problem in Problem]
    assert len(sentences) > 10
    # As far as its first stop or colon.
    first = [re.match(r".*?[.:](?=\s|$)", sentence) for sentence in sentences]
    assert [match[0] for match in first if match and f"| {match[0]}" not in guide] == []
