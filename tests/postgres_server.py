"""A real PostgreSQL from the system's packages, on a loopback port of its own, gone with the test run."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.redis_server import free_port

# Debian keeps the server's programs out of PATH.
_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)


def programs() -> Path:
    """The folder with initdb and pg_ctl. Raises FileNotFoundError, with what to install, when there is none."""
    for folder in _FOLDERS:
        if (folder / "initdb").exists():
            return folder
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise FileNotFoundError("PostgreSQL's server is not installed. Debian: apt-get install postgresql")


class PostgresServer:
    """A cluster in `folder` with one superuser, `portal`, who needs no password on loopback. Speed before safety: it keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._data = folder / "data"
        # The server refuses to run as root.
        self._as_whom = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def url(self, database: str = "postgres") -> str:
        """DATABASE_URL of a database of this server, which need not exist yet."""
        return f"postgres://portal@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster when it is not there yet, and wait until it answers. Raises subprocess.CalledProcessError."""
        if not self._data.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._as_whom:
                os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, -1)
            self._run(
                "initdb",
                "--pgdata",
                str(self._data),
                "--username=portal",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            )
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c synchronous_commit=off"
            " -c full_page_writes=off -c max_connections=200 -c jit=off"
        )
        self._run(
            "pg_ctl", "start", "--wait", "--pgdata", str(self._data), "--log", str(self.folder / "log"), "--options", options
        )

    def stop(self, how: str = "fast") -> None:
        """End it. `how`: fast, or immediate, which is a crash."""
        self._run("pg_ctl", "stop", "--wait", "--pgdata", str(self._data), "--mode", how)

    def create(self, database: str) -> str:
        """A new, empty database; returns its URL."""
        with psycopg.connect(self.url(), autocommit=True) as server:
            server.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as_whom, str(programs() / program), *arguments],
            cwd="/",
            stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,  # the server would keep a pipe open
            stderr=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            print(done.stderr or f"{program} failed; see {self.folder / 'log'}", file=sys.stderr)
            done.check_returncode()
