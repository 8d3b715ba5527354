"""From publish to open pages, through Valkey and the real web process, against a bare stream under the same server."""

from __future__ import annotations

import random
import resource
import uuid
from typing import Any

import httpx

from cmlmanager.live import publish
from tests.bench.report import Goal, Line
from tests.bench.run import Run
from tests.bench.streams import (
    ROWS_SHOWN,
    Measured,
    Send,
    bare_server,
    open_pages,
    portal_server,
    post,
    resident_kb,
    send_round,
    signed_in_pages,
)
from tests.bench.timing import percentile

WARM_UP = 3  # rounds not counted
_PER_PAGE = Goal(kind="at most", limit=100)


def measure(run: Run) -> list[Line]:
    """The portal and the bare stream in two turns each, so that both meet the same other work of the machine."""
    # One descriptor a page in three kinds of processes; children inherit it.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    workers = [str(uuid.UUID(int=random.getrandbits(128), version=4)) for _ in range(run.size(1_000))]
    specs = signed_in_pages(run.size(1_000), workers)
    ours, bare = Measured(), Measured()
    for _ in range(2):
        with portal_server(run) as (port, pid):
            _one_turn(run, ours, specs, workers, port, pid, publish)
        with bare_server(run) as (port, pid), httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            _one_turn(run, bare, specs, workers, port, pid, lambda batch, client=client: post(client, batch))
    return _lines(len(specs), len(workers), ours, bare)


def _one_turn(
    run: Run, found: Measured, specs: list[dict[str, Any]], workers: list[str], port: int, pid: int, send: Send
) -> None:
    with open_pages(port, specs[:5]):
        # What the first pages load stays loaded: it is no cost of one more page.
        before = resident_kb(pid)
    with open_pages(port, specs) as ask:
        found.page_kb = max(found.page_kb, (resident_kb(pid) - before) / len(specs))
        for number in range(WARM_UP):
            # The first rounds make connections and fill caches, on both sides.
            send_round(Measured(), "one", 500 + number, ["fleet"], len(specs), send, ask)
        for number in range(run.size(30)):
            send_round(found, "one", number, ["fleet"], len(specs), send, ask)
        rows = [f"row.{worker}" for worker in workers]
        for number in range(1_000, 1_000 + max(2, run.size(5))):
            send_round(found, "burst", number, rows, len(specs) * ROWS_SHOWN, send, ask)
        found.page_kb_after = max(found.page_kb_after, (resident_kb(pid) - before) / len(specs))


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
