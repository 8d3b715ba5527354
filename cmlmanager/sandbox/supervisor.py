"""Starts the sandbox's processes together, restarts one that dies, and ends them together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cmlmanager.sandbox.environment import UnableToStart
from cmlmanager.sandbox.process import die_with_parent


@dataclass
class Child:
    """One process of the sandbox. `patience` is how many seconds it gets to end by itself."""

    name: str
    command: list[str]
    patience: float = 8
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)


class Supervisor:
    """The sandbox's processes, in the order in which they were started."""

    def __init__(self, *, environment: dict[str, str], directory: Path, logs: Path) -> None:
        self.environment = environment
        self.directory = directory
        self.logs = logs
        self.children: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *command: str, patience: float = 8) -> Child:
        """Start a process; its output goes to a log file of its own."""
        child = Child(name, list(command), patience)
        self.children.append(child)
        self._spawn(child)
        return child

    def _spawn(self, child: Child) -> None:
        with (self.logs / f"{child.name}.log").open("ab") as log:
            child.process = subprocess.Popen(
                child.command,
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Its own group: Ctrl-C reaches us alone, and we end the others in order, their children with them.
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (one thread here)
            )

    def run(self, name: str, *command: str) -> None:
        """Run a command to its end. Raises UnableToStart when it fails, naming its log."""
        path = self.logs / f"{name}.log"
        with path.open("ab") as log:
            done = subprocess.run(
                command,
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise UnableToStart(f"{name} failed; {path} says why.\n{tail(path)}")

    def wait_for(self, child: Child, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `ready` says so. Raises UnableToStart when the process ends first or takes too long."""
        deadline = time.monotonic() + seconds
        path = self.logs / f"{child.name}.log"
        while not ready():
            if child.process is not None and child.process.poll() is not None:
                raise UnableToStart(f"{child.name} ended while starting; {path} says why.\n{tail(path)}")
            if time.monotonic() > deadline:
                raise UnableToStart(f"{child.name} did not come up within {seconds:.0f} s; {path} may say why.\n{tail(path)}")
            time.sleep(0.05)

    def restart_the_dead(self) -> list[str]:
        """Start again what ended by itself; returns their names. Raises UnableToStart for one that keeps dying."""
        restarted = []
        for child in self.children:
            if child.process is None or child.process.poll() is None:
                continue
            now = time.monotonic()
            child.deaths = [moment for moment in child.deaths if now - moment < 30] + [now]
            if len(child.deaths) > 3:
                path = self.logs / f"{child.name}.log"
                raise UnableToStart(f"{child.name} keeps ending; {path} says why.\n{tail(path)}")
            _signal_group(child.process, signal.SIGKILL)  # what a killed master leaves behind
            self._spawn(child)
            restarted.append(child.name)
        return restarted

    def stop(self) -> None:
        """End everything, last started first; what does not end in time is killed, with all it started."""
        for child in reversed(self.children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        for child in reversed(self.children):
            if child.process is None:
                continue
            try:
                child.process.wait(child.patience)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            _signal_group(child.process, signal.SIGKILL)

    def pids(self) -> dict[str, int]:
        return {child.name: child.process.pid for child in self.children if child.process is not None}


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, for the terminal."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def python(*arguments: str) -> list[str]:
    """A command of this very interpreter."""
    return [sys.executable, *arguments]
