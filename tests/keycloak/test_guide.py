"""Every command of docs/keycloak.md works, and every name that it gives to something in Keycloak's console is there.

Those of "in ten minutes" start the Keycloak and the portal of all these tests: tests.keycloak.server, tests.keycloak.portal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.keycloak import guide
from tests.keycloak.flow import Visitor
from tests.keycloak.portal import KeycloakPortal
from tests.keycloak.server import Keycloak
from tests.keycloak.tab import Tab

pytestmark = [pytest.mark.keycloak, pytest.mark.browser]

Run = Callable[..., subprocess.CompletedProcess[str]]
# Mappers and their fields are named by Keycloak's services, not by the console's own words.
NAMED_BY_SERVICES = {"Group Membership", "Full group path", "Audience", "User Realm Role", "User Client Role"}


@pytest.fixture
def environment(portal: KeycloakPortal) -> dict[str, str]:
    """An operator's shell on the portal's machine."""
    return portal.environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def run_commands(commands: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euc", commands], cwd=guide.ROOT, env=environment, input=stdin, capture_output=True, text=True, timeout=60
        )

    return run_commands


def test_the_check_of_the_guide_finds_nothing(run: Run) -> None:
    done = run(guide.block("manage.py check_oidc\n"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "PROBLEM" not in done.stdout
    assert "warning" not in done.stdout


def test_the_check_ends_with_1_for_scripts_when_something_is_wrong(run: Run) -> None:
    done = run("OIDC_CLIENT_SECRET=wrong python manage.py check_oidc --json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "problem"
    assert done.stderr.startswith("CommandError: 1 problem with")


def test_a_script_gets_its_token_as_the_guide_says(environment: dict[str, str], tab: Tab, visitor: Visitor, run: Run) -> None:
    tab.sign_in("manager")
    shell = subprocess.Popen(
        ["bash", "-eus"], cwd=guide.ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write(guide.block("auth/device"))
    shell.stdin.flush()
    said, _, address = shell.stdout.readline().partition(" ")
    assert said == "Open"
    visitor.approve(address.strip(), "manager")
    told, _ = shell.communicate(f"{guide.block('device_code=')}\necho; {guide.block('--token')}", timeout=60)

    first, _, second = told.partition("\n")
    assert (json.loads(first)["username"], json.loads(first)["role"]) == ("manager", "manager")
    assert "The API takes it" in second
    assert "['/cml/managers']: that is the role manager." in second
    assert shell.returncode == 0


def test_no_command_of_the_guide_is_left_out_here() -> None:
    tried = ["export PORTAL_URL", "mkdir -p", "demo/", "start-dev", "check_oidc\n", "auth/device", "device_code=", "--token"]
    assert sorted(map(guide.block, tried)) == sorted(guide.blocks())


def test_names_of_the_console_are_those_of_this_keycloak(keycloak: Keycloak) -> None:
    (jar,) = (keycloak.home / "lib" / "lib" / "main").glob("org.keycloak.keycloak-admin-ui-[0-9]*.jar")
    words = zipfile.ZipFile(jar).read("theme/keycloak.v2/admin/messages/messages_en.properties").decode()
    console = {line.partition("=")[2].strip().replace("''", "'") for line in words.splitlines()}
    advice = "".join(path.read_text() for path in (guide.ROOT / "accounts" / "realm").glob("*.py"))

    named = guide.console_names(guide.text()) | guide.console_names(advice)

    assert len(named) > 25
    assert named - console - NAMED_BY_SERVICES == set()


def test_names_of_mappers_are_those_of_this_keycloak(visitor: Visitor, keycloak: Keycloak) -> None:
    (jar,) = (keycloak.home / "lib" / "lib" / "main").glob("org.keycloak.keycloak-services-[0-9]*.jar")
    with zipfile.ZipFile(jar) as services:
        mappers = [name for name in services.namelist() if name.startswith("org/keycloak/protocol/oidc/mappers/")]
        code = b"".join(services.read(name) for name in mappers if name.endswith(".class"))
    assert [name for name in NAMED_BY_SERVICES if name.encode() not in code] == []
