"""From publish to open pages, through Valkey and the real web process, against a bare stream under the same server."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import string
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from cmlmanager.live import Message, publish
from tests.bench.pages import fragment
from tests.bench.report import Goal, Line
from tests.bench.run import Run
from tests.bench.timing import percentile
from tests.live.portal import COOKIE, Portal, until
from tests.redis_server import die_with_parent, free_port

ROOT = Path(__file__).resolve().parents[2]
ROWS_SHOWN = 50
FRAGMENT_BYTES = 2_000
TOGETHER = 200  # messages a publish, as workers.events does
PER_SESSION = 20  # pages of one signed-in browser
WARM_UP = 3  # rounds not counted
PATIENCE = 30  # seconds until what has not come counts as lost
_PER_PAGE = Goal(kind="at most", limit=100)

Send = Callable[[list[Message]], None]


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


def measure(run: Run) -> list[Line]:
    """The portal and the bare stream in two turns each, so that both meet the same other work of the machine."""
    # One descriptor a page in three kinds of processes; children inherit it.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    workers = [str(uuid.UUID(int=random.getrandbits(128), version=4)) for _ in range(run.size(1_000))]
    specs = _pages(run.size(1_000), workers)
    ours, bare = Measured(), Measured()
    for _ in range(2):
        with _portal(run) as (port, pid):
            _one_turn(run, ours, specs, workers, port, pid, publish)
        with _bare(run) as (port, pid), httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            _one_turn(run, bare, specs, workers, port, pid, lambda batch, client=client: _post(client, batch))
    return _lines(len(specs), len(workers), ours, bare)


def _pages(count: int, workers: Sequence[str]) -> list[dict[str, Any]]:
    """Pages of signed-in people: the fleet's counts, and 50 rows each."""
    person = User.objects.create_user(username="bench")
    person.groups.add(Group.objects.get(name=Role.USER.value))
    specs, cookie = [], ""
    for number in range(count):
        if number % PER_SESSION == 0:
            client = Client()
            client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
            cookie = f"{COOKIE}={client.session.session_key}"
        rows = [workers[(number * ROWS_SHOWN + row) % len(workers)] for row in range(ROWS_SHOWN)]
        specs.append({"cookie": cookie, "channels": ["fleet", *(f"row.{row}" for row in rows)]})
    return specs


def _one_turn(
    run: Run, found: Measured, specs: list[dict[str, Any]], workers: list[str], port: int, pid: int, send: Send
) -> None:
    with _open_pages(port, specs[:5]):
        # What the first pages load stays loaded: it is no cost of one more page.
        before = _resident_kb(pid)
    with _open_pages(port, specs) as ask:
        found.page_kb = max(found.page_kb, (_resident_kb(pid) - before) / len(specs))
        for number in range(WARM_UP):
            # The first rounds make connections and fill caches, on both sides.
            _round(Measured(), "one", 500 + number, ["fleet"], len(specs), send, ask)
        for number in range(run.size(30)):
            _round(found, "one", number, ["fleet"], len(specs), send, ask)
        rows = [f"row.{worker}" for worker in workers]
        for number in range(1_000, 1_000 + max(2, run.size(5))):
            _round(found, "burst", number, rows, len(specs) * ROWS_SHOWN, send, ask)
        found.page_kb_after = max(found.page_kb_after, (_resident_kb(pid) - before) / len(specs))


def _round(
    found: Measured, kind: str, number: int, channels: list[str], expected: int, send: Send, ask: Callable[..., dict[str, Any]]
) -> None:
    dice = random.Random(number)
    fillings = ["".join(dice.choices(string.ascii_letters, k=FRAGMENT_BYTES)) for _ in channels]
    for start in range(0, len(channels), TOGETHER):
        chosen = zip(channels[start : start + TOGETHER], fillings[start : start + TOGETHER], strict=True)
        send(
            [
                Message(channel=channel, type=channel, data=fragment(round_number=number, channel=channel, filling=filling))
                for channel, filling in chosen
            ]
        )
    answer = ask(round=number, expected=expected, patience=PATIENCE)
    found.ms[kind] += answer["ms"]
    found.expected += expected
    found.lost += expected - len(answer["ms"])
    found.twice += answer["twice"]
    found.broken += answer["broken"]


def _post(client: httpx.Client, batch: list[Message]) -> None:
    client.post("/publish", json=[[m.channel, m.type, m.data] for m in batch]).raise_for_status()


def _resident_kb(pid: int) -> float:
    """Resident memory of a process, kB (proc(5), /proc/pid/statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1000


@contextlib.contextmanager
def _portal(run: Run) -> Iterator[tuple[int, int]]:
    portal = Portal(run.folder, run.redis_url)
    portal.environment["DJANGO_SETTINGS_MODULE"] = "cmlmanager.settings"
    portal.start()
    assert portal.process is not None
    try:
        yield portal.port, portal.process.pid
    finally:
        portal.kill()


@contextlib.contextmanager
def _bare(run: Run) -> Iterator[tuple[int, int]]:
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
def _open_pages(port: int, specs: list[dict[str, Any]]) -> Iterator[Callable[..., dict[str, Any]]]:
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


def _lines(pages: int, workers: int, ours: Measured, bare: Measured) -> list[Line]:
    lines = []
    stories = {
        "one": f"publish of one 2 kB fragment → {pages:,} pages",
        "burst": f"{workers:,} rows change at once → {pages:,} pages of {ROWS_SHOWN} rows",
    }
    for kind, story in stories.items():
        p99, bare_p99 = percentile(ours.ms[kind], 99), percentile(bare.ms[kind], 99)
        lines += [
            Line(
                key=f"live.{kind}_p50",
                what=f"{story}, p50",
                value=percentile(ours.ms[kind], 50),
                unit="ms",
                plain=percentile(bare.ms[kind], 50),
                note=f"{len(ours.ms[kind]):,} deliveries, checked by content; Valkey and sign-in on our side only",
            ),
            Line(key=f"live.{kind}_p99", what=f"{story}, p99", value=p99, unit="ms", plain=bare_p99),
            Line(
                key=f"live.{kind}_ratio",
                what="its p99 as a multiple of the bare stream's",
                value=p99 / bare_p99,
                unit="×",
                plain=1,
                goal=Goal(kind="at most", limit=2),
            ),
        ]
    wrong = ours.lost + ours.broken
    return [
        *lines,
        Line(
            key="live.lost",
            what="pieces lost or broken",
            value=wrong,
            plain=bare.lost + bare.broken,
            goal=Goal(kind="at most", limit=0),
            note=f"of {ours.expected:,}; {ours.twice} came twice",
        ),
        Line(
            key="live.page_kb",
            what="memory of the web process for one more connected page",
            value=ours.page_kb,
            unit="kB",
            plain=bare.page_kb,
            goal=_PER_PAGE,
            note=f"{ROWS_SHOWN + 1} channels each; resident, the larger of two turns",
        ),
        Line(
            key="live.page_kb_after",
            what="the same after the bursts, with the news kept for pages that open late",
            value=ours.page_kb_after,
            unit="kB",
            plain=bare.page_kb_after,
        ),
    ]
