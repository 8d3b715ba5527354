"""The image, built once for all tests of this folder."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.deploy.image import Build, Stage


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The last stage of the Dockerfile, made from an empty folder."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        pytest.fail("The image's steps are run with unshare and chroot, which need root on Linux.")
    folder: Path = tmp_path_factory.mktemp("image")
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    return Build(folder).run()
