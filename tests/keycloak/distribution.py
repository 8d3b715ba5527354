"""Keycloak's own distribution, pinned, fetched once by Maven and kept outside the repository."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

VERSION = "26.4.5"
SHA256 = "72f73642a2c36de797d51b4b2b342d4a49f6e5832af10aa470cd123627bd80b3"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"


def _kept_in() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "cmlmanager-tests"


def unpacked() -> Path:
    """Keycloak's folder, which nothing may write to: `copy_to` makes one to run. Fetched and checked first if need be.

    Raises AssertionError when Maven cannot fetch it or when it is not the file that is pinned here.
    """
    folder = _kept_in() / f"keycloak-{VERSION}-{SHA256[:12]}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive = _fetch(Path(scratch))
        with zipfile.ZipFile(archive) as file:
            file.extractall(scratch)
        (Path(scratch) / f"keycloak-{VERSION}" / "bin" / "kc.sh").chmod(0o755)
        try:
            (Path(scratch) / f"keycloak-{VERSION}").rename(folder)
        except OSError:
            assert folder.exists()  # another run was faster
    return folder


def _fetch(folder: Path) -> Path:
    artifact = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
    done = subprocess.run(
        ["mvn", "-q", "-B", f"{PLUGIN}:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"Maven could not fetch {artifact}:\n{done.stdout}"
    archive = folder / f"keycloak-quarkus-dist-{VERSION}.zip"
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    assert found == SHA256, f"{artifact} is another file than the one that is pinned: SHA-256 {found}"
    return archive


def copy_to(home: Path) -> None:
    """A Keycloak to run. Libraries are linked where the file system allows; what a start writes to is copied."""
    source = unpacked()

    def take(original: str, copy: str) -> None:
        if "/lib/lib/" in original:
            with contextlib.suppress(OSError):
                os.link(original, copy)
                return
        shutil.copy(original, copy)

    shutil.copytree(source, home, copy_function=take)
    if _built().exists():
        shutil.copytree(_built(), home / "lib" / "quarkus", dirs_exist_ok=True)


def _built() -> Path:
    folder = unpacked()
    return folder.with_name(f"{folder.name}-built")


def keep_build(home: Path) -> None:
    """Keep what the first start of a Keycloak in development mode has made of its configuration: the next need not, which halves it."""
    if _built().exists():
        return
    with tempfile.TemporaryDirectory(dir=_kept_in()) as scratch:
        shutil.copytree(home / "lib" / "quarkus", Path(scratch) / "quarkus")
        with contextlib.suppress(OSError):  # another run was faster
            (Path(scratch) / "quarkus").rename(_built())


if __name__ == "__main__":
    print(f"Keycloak {VERSION} is in {unpacked()}")
