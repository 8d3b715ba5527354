"""A real Keycloak on a loopback port of its own, with the realm that deploy/keycloak ships."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from pathlib import Path

import requests

from tests.keycloak import guide
from tests.keycloak.distribution import copy_to, keep_build
from tests.redis_server import die_with_parent, free_port

ROOT = guide.ROOT
REALM = "cml"


class Keycloak:
    """One server with a database of its own in `folder`. What it knew is there again after `stop` and `start`."""

    def __init__(self, folder: Path, portal_url: str) -> None:
        self.home = folder / "keycloak"
        self.log = folder / "keycloak.log"
        self.port = free_port()
        # The browser's name for it differs from the portal's, as behind a proxy; and cookies of one host are common to its ports.
        self.url = f"http://localhost:{self.port}"
        self.internal_url = f"http://127.0.0.1:{self.port}"
        self.issuer = f"{self.url}/realms/{REALM}"
        self.internal_issuer = f"{self.internal_url}/realms/{REALM}"
        self.client_secret = self.demo_password = ""  # made by install
        self.admin_password = secrets.token_urlsafe(16)
        self.portal_url = portal_url
        self._process: subprocess.Popen[bytes] | None = None

    def install(self) -> None:
        """Put the distribution and the realm's files into place, by the commands of docs/keycloak.md."""
        copy_to(self.home)
        commands = [
            guide.block("export PORTAL_URL").replace(guide.PORTAL, self.portal_url),
            guide.block("mkdir -p"),
            guide.block("demo/"),
        ]
        commands.append('printf "%s %s" "$OIDC_CLIENT_SECRET" "$DEMO_PASSWORD"')
        done = subprocess.run(
            ["bash", "-euc", "\n".join(commands)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "KEYCLOAK": str(self.home)},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        self.client_secret, self.demo_password = done.stdout.split()

    def start(self, seconds: float = 180) -> None:
        """Start, and wait until the realm answers. Fails with the end of its log after `seconds`."""
        environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "JAVA_HOME", "TMPDIR") if name in os.environ
        } | {
            "KEYCLOAK": str(self.home),
            "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
            "KC_BOOTSTRAP_ADMIN_USERNAME": "operator",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": self.admin_password,
            "PORTAL_URL": self.portal_url,
            "OIDC_CLIENT_SECRET": self.client_secret,
            "DEMO_PASSWORD": self.demo_password,
        }
        # As the document says it, on loopback, a port of its own, and with a database that outlives a restart.
        options = f"--db=dev-file --http-host=127.0.0.1 --http-port={self.port} --hostname={self.url} --hostname-backchannel-dynamic=true"
        command = f"exec {guide.block('start-dev').strip()} {options}"
        with self.log.open("ab") as log:
            # kc.sh ends by exec'ing Java, so the process is Java itself.
            self._process = subprocess.Popen(
                ["bash", "-euc", command],
                env=environment,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509
            )
        deadline = time.monotonic() + seconds
        while not self.answers():
            assert self._process.poll() is None, f"Keycloak ended: {self.tail()}"
            assert time.monotonic() < deadline, f"Keycloak was not ready within {seconds} s: {self.tail()}"
            time.sleep(0.1)
        keep_build(self.home)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.internal_issuer}/.well-known/openid-configuration", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it take connections and answer nothing, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
