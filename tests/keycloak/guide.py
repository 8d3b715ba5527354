"""docs/keycloak.md as what it is: commands, settings, and names of Keycloak's console."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "keycloak.md"
PORTAL, KEYCLOAK = "https://portal.example.com", "https://keycloak.example.com"


def text() -> str:
    return DOCUMENT.read_text()


def block(part: str, language: str = "sh") -> str:
    """The one block of commands that contains `part`."""
    (found,) = [code for code in blocks(language) if part in code]
    return found


def blocks(language: str = "sh") -> list[str]:
    """All blocks, without their indentation."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", text(), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(code) for code in found]


def settings() -> dict[str, str]:
    """What it tells an operator to set."""
    lines = [line.partition("=") for line in block("OIDC_ISSUER", "ini").splitlines()]
    return {name: value for name, _, value in lines}


def console_names(document: str) -> set[str]:
    """What stands in quotation marks, on one line each."""
    return {" ".join(name.split()) for name in re.findall(r"“([^”{}]+)”", document)}
