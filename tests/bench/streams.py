"""The servers that streams are measured on, the pages that listen, and what is sent to them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from cmlmanager.live import Message
from cmlmanager.live.facts import Fact
from tests.bench.pages import fragment
from tests.bench.run import Run
from tests.live.portal import COOKIE, Portal, until
from tests.redis_server import die_with_parent, free_port

ROOT = Path(__file__).resolve().parents[2]
ROWS_SHOWN = 50
FRAGMENT_BYTES = 2_000
TOGETHER = 200  # messages a publish, as workers.events does
PER_SESSION = 20  # pages of one signed-in browser
PATIENCE = 30  # seconds until what has not come counts as lost

Send = Callable[[list[Any]], None]


@dataclass
class Measured:
    """What one server did: deliveries in milliseconds by kind, what went wrong, and kilobytes a page."""

    ms: dict[str, list[float]] = field(default_factory=lambda: {"one": [], "burst": []})
    expected: int = 0
    lost: int = 0
    twice: int = 0
    broken: int = 0
    page_kb: float = 0.0
    page_kb_after: float = 0.0


def signed_in_pages(
    count: int, workers: Sequence[str], *, always: Sequence[str] = ("fleet",), prefix: str = "row."
) -> list[dict[str, Any]]:
    """Pages of signed-in people: the fleet's counts, and 50 rows each; or clients with other channels."""
    person = User.objects.create_user(username="bench")
    person.groups.add(Group.objects.get(name=Role.USER.value))
    specs, cookie = [], ""
    for number in range(count):
        if number % PER_SESSION == 0:
            client = Client()
            client.force_login(person, backend="accounts.local.backend.LocalBackend")
            cookie = f"{COOKIE}={client.session.session_key}"
        rows = [workers[(number * ROWS_SHOWN + row) % len(workers)] for row in range(ROWS_SHOWN)]
        specs.append({"cookie": cookie, "channels": [*always, *(f"{prefix}{row}" for row in rows)]})
    return specs


def as_fragment(channel: str, text: str) -> Message:
    """What pages hear."""
    return Message(channel=channel, type=channel, data=text)


def as_event(channel: str, text: str) -> Fact:
    """What API clients hear."""
    return Fact(type="bench", topics=frozenset({channel}), data=text)


def send_round(
    found: Measured,
    kind: str,
    number: int,
    channels: list[str],
    expected: int,
    send: Send,
    ask: Callable[..., dict[str, Any]],
    *,
    make: Callable[[str, str], Any] = as_fragment,
    rate: float = 0,
) -> None:
    """Send one piece on each of `channels`, `rate` of them a second (0: all at once), and note what came of them where."""
    dice = random.Random(number)
    fillings = ["".join(dice.choices(string.ascii_letters, k=FRAGMENT_BYTES)) for _ in channels]
    together = max(1, min(TOGETHER, int(rate / 20))) if rate else TOGETHER
    began = time.monotonic()
    for start in range(0, len(channels), together):
        time.sleep(max(0.0, began + start / rate - time.monotonic()) if rate else 0)
        chosen = zip(channels[start : start + together], fillings[start : start + together], strict=True)
        send([make(channel, fragment(round_number=number, channel=channel, filling=filling)) for channel, filling in chosen])
    answer = ask(round=number, expected=expected, patience=PATIENCE)
    found.ms[kind] += answer["ms"]
    found.expected += expected
    found.lost += expected - len(answer["ms"])
    found.twice += answer["twice"]
    found.broken += answer["broken"]


def post(client: httpx.Client, batch: list[Message]) -> None:
    client.post("/publish", json=[[m.channel, m.type, m.data] for m in batch]).raise_for_status()


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used (proc(5), /proc/pid/stat, utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kb(pid: int) -> float:
    """Resident memory of a process, kB (proc(5), /proc/pid/statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1000


@contextlib.contextmanager
def portal_server(run: Run) -> Iterator[tuple[int, int]]:
    portal = Portal(run.folder, run.redis_url)
    portal.environment["DJANGO_SETTINGS_MODULE"] = "cmlmanager.settings"
    portal.start()
    assert portal.process is not None
    try:
        yield portal.port, portal.process.pid
    finally:
        portal.kill()


@contextlib.contextmanager
def bare_server(run: Run) -> Iterator[tuple[int, int]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench.bare:app", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "warning"], cwd=ROOT, preexec_fn=die_with_parent)  # noqa: PLW1509
    try:
        until(lambda: _answers(port), "the bare server answers", 30)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 404
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def open_pages(port: int, specs: list[dict[str, Any]]) -> Iterator[Callable[..., dict[str, Any]]]:
    """Pages in a process of their own; the value orders it to collect a round."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.pages"],
        cwd=ROOT,
        env=os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(**order: Any) -> dict[str, Any]:
        process.stdin.write(json.dumps(order) + "\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        line = process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise RuntimeError("The process with the pages ended; its complaint is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    try:
        if ask(port=port, pages=specs)["open"] != len(specs):
            raise RuntimeError("Not all pages could be opened.")
        yield ask
    finally:
        process.stdin.close()
        process.wait(20)
