"""Programs that no Python package ships: built once from their Go modules, pinned, into a folder that outlives a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# name → (module with its version, name of the program that `go install` makes)
_MODULES = {
    "helm": ("helm.sh/helm/v3/cmd/helm@v3.17.3", "helm"),
    # The loader and checker that `docker compose config` itself uses.
    "compose": ("github.com/compose-spec/compose-go/v2/cmd@v2.6.0", "cmd"),
}
_FOLDER = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cmlmanager-tools"


def go_tool(name: str) -> str:
    """The program's path. Fails the test, and says what to install, when it is neither there nor can be built."""
    module, program = _MODULES[name]
    if name == "helm" and (installed := shutil.which("helm")):
        return installed
    folder = _FOLDER / module.rpartition("@")[2] / name
    if not (folder / program).exists():
        if shutil.which("go") is None:
            pytest.fail(f"{name} is not there, and cannot be built: install Go (Debian: apt-get install golang-go).")
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["go", "install", module],
            env=os.environ | {"GOBIN": str(folder)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"{name} could not be built:\n{done.stderr[-2000:]}")
    return str(folder / program)
