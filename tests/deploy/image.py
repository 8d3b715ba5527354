"""The Dockerfile's steps, run in order without Docker: each stage is a folder that a step is locked into (unshare, chroot).

What stands in for the base image is this machine's own /usr, /lib and /etc, read-only; everything that a step makes lands in the
stage's folder. So the steps see the paths that they will have in the image, and a step that needs more than the base fails here as there.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]
_HOST_FOLDERS = ("usr", "etc")
_HOST_LINKS = ("bin", "sbin", "lib", "lib64")
# How pip is told where packages come from, here; nothing else of this machine's environment goes in.
_PASSED = (
    "PIP_CERT",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "SSL_CERT_FILE",
    "HTTPS_PROXY",
    "https_proxy",
)


@dataclass
class Stage:
    """One FROM and what follows: its folder, and what later instructions and the container inherit."""

    name: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    work_folder: str = "/"
    user: str = "0:0"
    settings: dict[str, Any] = field(default_factory=dict)  # ENTRYPOINT, CMD, HEALTHCHECK, LABEL

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run and wait, as a step of the build: the stage's folder may be written to."""
        return subprocess.run(
            self.command(command, user=self.user),
            env=self.environment | _passed(),
            text=True,
            capture_output=True,
            check=False,
            **options,
        )

    def command(
        self, command: list[str], *, user: str, read_only: bool = False, mounts: dict[str, Path] | None = None
    ) -> list[str]:
        """What runs `command` inside the stage, in mounts of its own that end with it.

        read_only: as `read_only: true` of compose: only /tmp (empty, in memory) and /data can be written to. `mounts`: target → folder here.
        """
        place = Path(f"{self.folder}.ro") if read_only else self.folder
        lines = ["set -e"]
        for name in _HOST_FOLDERS:
            lines += [f"mount --bind /{name} {self.folder}/{name}", f"mount -o remount,bind,ro {self.folder}/{name}"]
        if read_only:
            lines += [f"mount --rbind {self.folder} {place}", f"mount -o remount,bind,ro {place}"]
        lines += [
            f"mount -t tmpfs -o mode=1777 tmpfs {place}/tmp",
            f"mount -t proc proc {place}/proc",
            f"mount --rbind /dev {place}/dev",
        ]
        lines += [f"mount --bind {source} {place}{target}" for target, source in (mounts or {}).items()]
        inner = f"cd {shlex.quote(self.work_folder)} && exec {shlex.join(command)}"
        uid, gid = user.split(":")
        # chroot needs root: the user is changed inside, where the numbers mean the same.
        lines += [f"exec /usr/sbin/chroot --userspec={uid}:{gid} {place} sh -c {shlex.quote(inner)}"]
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines)]


class Build:
    """Runs a Dockerfile into an empty folder. Raises AssertionError, with what a step said, when one fails."""

    def __init__(self, folder: Path, context: Path = ROOT) -> None:
        self.folder = folder
        self.context = context
        self.steps: list[str] = []
        self.stages: dict[str, Stage] = {}
        self._arguments: dict[str, str] = {}
        self._ignore = (context / ".dockerignore").read_text().split("\n")

    def run(self) -> Stage:
        """All steps; returns the last stage."""
        parser = DockerfileParser(fileobj=(self.context / "Dockerfile").open("rb"))
        stage: Stage | None = None
        for step in parser.structure:
            instruction, value = step["instruction"], step["value"]
            if instruction == "COMMENT":
                continue
            self.steps.append(f"{instruction} {value}")
            if instruction == "FROM":
                stage = self._from(value)
            elif instruction == "ARG":
                name, _, default = value.partition("=")
                self._arguments.setdefault(name, default)
            else:
                assert stage is not None
                getattr(self, f"_{instruction.lower()}")(stage, value)
        assert stage is not None
        return stage

    def _from(self, value: str) -> Stage:
        name = value.rpartition(" AS ")[2]
        folder = self.folder / name
        for part in ("tmp", "proc", "dev", "run/secrets", *_HOST_FOLDERS):
            (folder / part).mkdir(parents=True)
        Path(f"{folder}.ro").mkdir()
        for link in _HOST_LINKS:
            if (Path("/") / link).is_symlink():
                (folder / link).symlink_to(os.readlink(f"/{link}"))
        self.stages[name] = Stage(name, folder, environment={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp"})
        return self.stages[name]

    def _env(self, stage: Stage, value: str) -> None:
        stage.environment |= dict(word.split("=", 1) for word in shlex.split(value))

    def _workdir(self, stage: Stage, value: str) -> None:
        stage.work_folder = value
        (stage.folder / value.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _user(self, stage: Stage, value: str) -> None:
        stage.user = value

    def _run(self, stage: Stage, value: str) -> None:
        done = stage.run(["sh", "-c", value], timeout=600)
        assert done.returncode == 0, f"RUN {value}\n{done.stdout}\n{done.stderr}"

    def _copy(self, stage: Stage, value: str) -> None:
        words = shlex.split(value)
        options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        *sources, target = [word for word in words if not word.startswith("--")]
        base = self.stages[options["from"]].folder if "from" in options else self.context
        goal = Path(os.path.normpath(Path(stage.work_folder) / target))
        for source in sources:
            found = base / source.lstrip("/")
            place = stage.folder / str(goal).lstrip("/")
            if found.is_dir():
                self._copy_folder(found, place, filtered="from" not in options)
            else:
                assert "from" in options or not self.ignored(source), f"{source} is kept out by .dockerignore"
                place = place / found.name if target.endswith("/") else place
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, place)
            if "chown" in options:
                subprocess.run(["chown", "-R", options["chown"], str(place)], check=True)

    def _copy_folder(self, source: Path, place: Path, *, filtered: bool) -> None:
        def left_out(folder: str, names: list[str]) -> list[str]:
            inside = Path(folder).relative_to(self.context)
            return [name for name in names if self.ignored(str(inside / name)) and not self._leads_on(str(inside / name))]

        assert not filtered or not self.ignored(str(source.relative_to(self.context))), f"{source} is kept out by .dockerignore"
        shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True, ignore=left_out if filtered else None)

    def ignored(self, path: str) -> bool:
        """Docker's rule: the last pattern that matches the path or a folder above it decides."""
        above = [str(folder) for folder in (Path(path), *Path(path).parents) if str(folder) != "."]
        verdict = False
        for line in self._ignore:
            pattern = line.strip()
            if not pattern or pattern.startswith("#"):
                continue
            if any(_matches(name, pattern.lstrip("!")) for name in above):
                verdict = not pattern.startswith("!")
        return verdict

    def _leads_on(self, path: str) -> bool:
        return any(line.strip().lstrip("!").startswith(f"{path}/") for line in self._ignore if line.startswith("!"))

    def _entrypoint(self, stage: Stage, value: str) -> None:
        stage.settings["entrypoint"] = json.loads(value)

    def _cmd(self, stage: Stage, value: str) -> None:
        stage.settings["command"] = json.loads(value)

    def _healthcheck(self, stage: Stage, value: str) -> None:
        stage.settings["health"] = json.loads(re.sub(r"^.*?CMD ", "", value))

    def _label(self, stage: Stage, value: str) -> None:
        stage.settings["labels"] = dict(word.split("=", 1) for word in shlex.split(value))

    def _volume(self, stage: Stage, value: str) -> None:
        stage.settings["volumes"] = json.loads(value)

    def _expose(self, stage: Stage, value: str) -> None:
        stage.settings["port"] = int(value)


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(name, pattern[3:]) or fnmatch.fnmatch(Path(name).name, pattern[3:])
    return name.count("/") == pattern.count("/") and fnmatch.fnmatch(name, pattern)


def _passed() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED if name in os.environ}
