"""A load of streams of any size, by itself: what N clients get of W workers that change at some rate, beside a bare ASGI stream.

    python -m tests.bench.sse_load --clients 1000 --workers 1000 --rate 0 --kind events

Each client is signed in and listens to 50 workers; a round changes every worker once, all at once or `--rate` a second. What a client gets is
checked by content, not by count: a piece carries its channel, its round, the time it left and a checksum. Both servers run in the same run, in turns.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import resource
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.bench import machine
from tests.bench.report import Goal, Line, table
from tests.bench.run import Run, prepared
from tests.bench.timing import percentile

if TYPE_CHECKING:
    from tests.bench.streams import Measured

_TURNS = 2


class Turns:
    """What one server did in all its turns, and what that cost."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        self.cpu = self.seconds = 0.0
        self.page_kb = 0.0


def load(run: Run, options: argparse.Namespace) -> list[Line]:
    """Measure as `options` say."""
    # Only now: these need a Django that is set up.
    from cmlmanager.live import publish
    from tests.bench import streams

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    workers = [str(uuid.UUID(int=random.getrandbits(128), version=4)) for _ in range(max(options.workers, streams.ROWS_SHOWN))]
    always, prefix = ((), "events.worker.") if options.kind == "events" else (("fleet",), "row.")
    specs = streams.signed_in_pages(options.clients, workers, always=always, prefix=prefix)
    channels = [f"{prefix}{worker}" for worker in workers]
    ours, bare = Turns(streams.Measured()), Turns(streams.Measured())
    make = streams.as_event if options.kind == "events" else streams.as_fragment
    for _ in range(_TURNS):
        with streams.portal_server(run) as (port, pid):
            _turn(ours, options, specs, channels, port, pid, publish, make)
        with (
            streams.bare_server(run) as (port, pid),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            send = lambda batch, client=client: streams.post(client, batch)  # noqa: E731
            _turn(bare, options, specs, channels, port, pid, send, streams.as_fragment)
    return _lines(options, ours, bare)


def _turn(
    found: Turns,
    options: argparse.Namespace,
    specs: list[dict[str, Any]],
    channels: list[str],
    port: int,
    pid: int,
    send: Any,
    make: Any,
) -> None:
    from tests.bench import streams

    expected = sum(len(set(spec["channels"]) & set(channels)) for spec in specs)
    with streams.open_pages(port, specs[:5]):
        before = streams.resident_kb(pid)  # what the first clients load stays loaded: it is no cost of one more
    with streams.open_pages(port, specs) as ask:
        found.page_kb = max(found.page_kb, (streams.resident_kb(pid) - before) / len(specs))
        warm = streams.Measured()
        streams.send_round(warm, "burst", 1, channels, expected, send, ask, make=make, rate=options.rate)
        for number in range(2, 2 + options.rounds):
            cpu, began = streams.cpu_seconds(pid), time.monotonic()
            streams.send_round(found.measured, "burst", number, channels, expected, send, ask, make=make, rate=options.rate)
            found.cpu += streams.cpu_seconds(pid) - cpu
            found.seconds += time.monotonic() - began


def _lines(options: argparse.Namespace, ours: Turns, bare: Turns) -> list[Line]:
    pace = f"{options.rate:g} a second" if options.rate else "at once"
    what = f"{options.workers:,} workers change {pace} → {options.clients:,} clients ({options.kind})"
    lines = []
    for percent in (50, 90, 99, 100):
        mine, plain = (percentile(turns.measured.ms["burst"], percent) for turns in (ours, bare))
        name = f"p{percent}" if percent < 100 else "longest"
        lines.append(Line(key=f"sse_load.{name}", what=f"{what}, {name}", value=mine, unit="ms", plain=plain))
        if percent == 99:
            ratio = Line(key="sse_load.ratio", what="its p99 as a multiple of the bare stream's", value=mine / plain, unit="×")
    wrong, plain_wrong = (turns.measured.lost + turns.measured.broken for turns in (ours, bare))
    note = f"of {ours.measured.expected:,}, checked by content; {ours.measured.twice} came twice"
    costs = {
        "memory of the web process for one more client": ("kB", ours.page_kb, bare.page_kb),
        "processor time of the web process for 1,000 pieces": ("ms", *(_ms_per_thousand(turns) for turns in (ours, bare))),
        "processor time for one client while it lasts, of one core": (
            "%",
            *(100 * turns.cpu / turns.seconds / options.clients for turns in (ours, bare)),
        ),
    }
    return [
        *lines,
        ratio,
        Line(
            key="sse_load.lost",
            what="pieces lost or broken",
            value=wrong,
            plain=plain_wrong,
            goal=Goal(kind="at most", limit=0),
            note=note,
        ),
        *(
            Line(key=f"sse_load.cost{number}", what=words, unit=unit, value=mine, plain=plain)
            for number, (words, (unit, mine, plain)) in enumerate(costs.items())
        ),
    ]


def _ms_per_thousand(turns: Turns) -> float:
    return 1e6 * turns.cpu / max(1, len(turns.measured.ms["burst"]))


def main(arguments: Sequence[str]) -> int:
    """The exit status: 1 when something was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sse_load", description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=0, help="changes a second; 0: all at once")
    parser.add_argument("--rounds", type=int, default=5, help="how often every worker changes, in each of two turns")
    parser.add_argument("--kind", choices=("fragments", "events"), default="events")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write the numbers")
    options = parser.parse_args(arguments)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each publish to the bare server
    with prepared(quick=False) as run:
        lines = load(run, options)
    print(table(lines))
    if options.json:
        found = {"machine": machine.describe(), "lines": {line.key: [line.value, line.plain] for line in lines}}
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if any(line.met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
