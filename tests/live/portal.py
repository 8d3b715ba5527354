"""The portal's web process as it runs in production, for what crosses processes: uvicorn, a database file, a real Redis."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.redis_server import die_with_parent, free_port

ROOT = Path(__file__).resolve().parents[2]
COOKIE = "cmlmanager_session"


def until(condition: Callable[[], object], what: str, seconds: float = 10) -> None:
    """Return as soon as `condition` holds. Fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class Portal:
    """One web process and the people in its database."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.database = folder / "db.sqlite3"
        self.log = folder / "web.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "tests.live.server_settings",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def migrate(self) -> None:
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], cwd=ROOT, env=self.environment, check=True)

    def run(self, code: str) -> dict[str, str]:
        """What `code` puts into `answer`, run in a process of its own against the portal's database."""
        script = f"import django, json\ndjango.setup()\nanswer = {{}}\n{code}\nprint(json.dumps(answer))"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        answer: dict[str, str] = json.loads(done.stdout)
        return answer

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "cmlmanager.asgi:application",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--timeout-graceful-shutdown", "2", "--log-level", "warning"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509
            )
        until(self._answers, "the web process answers", 30)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/api/events/stream").status_code == 401
        except httpx.TransportError:
            return False

    def stop(self) -> float:
        """Send SIGTERM; the seconds until the process has ended."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return time.monotonic() - started

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def threads(self) -> int:
        assert self.process is not None
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def database_files(self) -> int:
        """How many descriptors the process holds on the database."""
        assert self.process is not None
        folder = f"/proc/{self.process.pid}/fd"
        count = 0
        for name in os.listdir(folder):
            try:
                count += str(self.database) in os.readlink(f"{folder}/{name}")
            except FileNotFoundError:
                continue
        return count

    def get(self, session: str, query: str = "", accept: str = "application/json", **headers: str) -> httpx.Response:
        """One whole answer; ask for streams with `stream`."""
        headers = {"Accept": accept, "Cookie": f"{COOKIE}={session}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return httpx.get(f"{self.url}/api/events/stream{query}", headers=headers)

    def stream(
        self, session: str, *channels: str, buffer: int | None = None, last_id: str = "", authorization: str = ""
    ) -> Stream:
        """An open stream. `buffer`: bytes that the socket takes while nobody reads. `last_id`: where to go on."""
        return Stream(self.port, session, channels, buffer, last_id, authorization)


class Stream:
    """A page's stream over a plain socket, which costs the test no thread."""

    def __init__(
        self, port: int, session: str, channels: tuple[str, ...], buffer: int | None, last_id: str, authorization: str
    ) -> None:
        self.events: list[tuple[str, str]] = []
        self.last_id = last_id
        self.head = b""
        self.ended = False
        self._raw = b""
        self._text = b""
        self._socket = socket.socket()
        if buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.connect(("127.0.0.1", port))
        query = "&".join(f"channel={channel}" for channel in channels)
        again = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        again += f"Authorization: {authorization}\r\n" if authorization else ""
        self._socket.sendall(
            f"GET /api/events/stream?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n"
            f"Cookie: {COOKIE}={session}\r\n{again}\r\n".encode()
        )

    def read(self, condition: Callable[[Stream], object], what: str, seconds: float = 15) -> None:
        """Read until `condition` holds of the stream. Fails with `what` after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            left = deadline - time.monotonic()
            assert left > 0, f"not within {seconds} s: {what}; had {self.types()[-20:]}, {self.head[:200]!r}"
            assert not self.ended, f"ended before: {what}; had {self.types()[-20:]}, {self.head[:200]!r}"
            self._socket.settimeout(left)
            try:
                self._take(self._socket.recv(256 * 1024))
            except TimeoutError:
                continue

    def read_hello(self) -> Stream:
        self.read(lambda s: "hello" in s.types(), "hello")
        return self

    def types(self) -> list[str]:
        return [kind for kind, _ in self.events]

    def data(self, kind: str) -> list[str]:
        return [data for name, data in self.events if name == kind]

    def close(self) -> None:
        self._socket.close()

    def _take(self, received: bytes) -> None:
        self._raw += received
        self.ended = self.ended or not received
        if not self.head and b"\r\n\r\n" in self._raw:
            self.head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        while self.head and b"\r\n" in self._raw:
            size, _, rest = self._raw.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                break
            self.ended = self.ended or length == 0
            self._text += rest[:length]
            self._raw = rest[length + 2 :]
        *whole, self._text = self._text.split(b"\n\n")
        for event in whole:
            lines = [line.partition(": ") for line in event.decode().split("\n")]
            kind = next((value for name, _, value in lines if name == "event"), "")
            self.last_id = next((value for name, _, value in lines if name == "id"), self.last_id)
            if kind:
                self.events.append((kind, "\n".join(value for name, _, value in lines if name == "data")))
