"""Services of compose.yaml as processes: the same command, environment, user, secrets and read-only root, without an engine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.image import ROOT, Stage
from tests.redis_server import die_with_parent


def services() -> dict[str, Any]:
    """What compose.yaml says, with its anchors and merges resolved."""
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])


class Container:
    """One service, running. `instead`: environment that differs here, where there is no engine's name server and one network for all."""

    def __init__(self, image: Stage, service: str, folder: Path, secrets: Path, instead: dict[str, str]) -> None:
        told = services()[service]
        self.service, self.log = service, folder / "log"
        data = folder / "data"
        data.mkdir(parents=True)
        os.chown(data, 10001, 10001)
        assert told["read_only"] is True
        self.environment = image.environment | {name: str(value) for name, value in told["environment"].items()} | instead
        self._image = image
        command = image.command(
            [*image.settings["entrypoint"], *told["command"]],
            user=image.user,
            read_only=True,
            mounts={"/data": data, "/run/secrets": secrets},
        )
        self.process = subprocess.Popen(
            command,
            env=self.environment,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing else runs between fork and exec
        )

    def inside(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run in the container, as its user, as `docker exec` would."""
        enter = [
            "nsenter",
            f"--target={self.process.pid}",
            "--mount",
            "--root",
            "--wd",
            "--setuid=10001",
            "--setgid=10001",
            "--",
        ]
        return subprocess.run([*enter, *command], env=self.environment, text=True, capture_output=True, timeout=60, check=False)

    def is_healthy(self) -> bool:
        """What the image's HEALTHCHECK says."""
        return self.inside(self._image.settings["health"]).returncode == 0

    def stop(self) -> int:
        """End it as `docker stop` does; returns the exit status. Raises subprocess.TimeoutExpired after 30 s."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def wait_for(condition: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    """Raises AssertionError, which says `what`, when the condition does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"within {seconds:.0f} s: {what}"
        time.sleep(0.1)
