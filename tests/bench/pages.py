"""A thousand open pages in a process of their own: plain sockets, no parsing while anything is measured.

    python -m tests.bench.pages < orders

The first line of standard input is a JSON object: port, and pages, a list of {"cookie", "channels"}. The answer is one line when every page
has had its first event. Each further line {"round", "expected"} is answered, when all has come or after `patience` seconds, with how many
pieces of that round came intact, twice or broken, and the milliseconds each took.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import sys
import time
import zlib
from typing import Any, cast

import uvloop

# Stands once in every fragment, so that counting arrivals is counting one byte.
MARK = "~"
_FRAGMENT = re.compile(rb'<tr data-bench="(\d+) (\S+) (\d+) (\d+)">([^~<]*)~</tr>')
_AT_ONCE = 50  # connections opened together


def fragment(*, round_number: int, channel: str, filling: str) -> str:
    """About `filling` as a row that says what it is, when it left (the system's monotonic clock, nanoseconds) and its checksum."""
    head = f"{round_number} {channel} {time.monotonic_ns()} {zlib.crc32(f'{channel} {filling}'.encode())}"
    return f'<tr data-bench="{head}">{filling}{MARK}</tr>'


class Page(asyncio.Protocol):
    """One stream: what came, and when."""

    def __init__(self, request: bytes, channels: frozenset[bytes], arrived: asyncio.Event) -> None:
        self.channels = channels
        self.received: list[tuple[int, bytes]] = []
        self.pieces = 0
        self.ended = False
        self._request = request
        self._arrived = arrived
        self._greeted = False
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is none of asyncio's classes.
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self.received.append((time.monotonic_ns(), data))
        if self._greeted:
            self.pieces += data.count(b"~")
            self._arrived.set()
        elif b"event: hello" in b"".join(part for _, part in self.received):
            self._greeted = True
            self.greeted.set_result(None)
            self.received.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        if not self.greeted.done():
            said = b"".join(part for _, part in self.received)[:300]
            self.greeted.set_exception(ConnectionError(f"A page was not let in: {said!r}"))

    def take(self, round_number: int) -> tuple[list[float], int, int]:
        """Milliseconds of each intact piece of this round, how many came twice, how many broken. Forgets what came."""
        raw = self.received
        self.received, self.pieces = [], 0
        ends, at, wire = [], 0, b"".join(part for _, part in raw)
        for moment, part in raw:
            at += len(part)
            ends.append((at, moment))
        text, times = _without_chunks(wire)
        return self._judge(bytes(text), times, ends, round_number)

    def _judge(
        self, text: bytes, places: list[tuple[int, int]], ends: list[tuple[int, int]], round_number: int
    ) -> tuple[list[float], int, int]:
        milliseconds, seen, twice, broken = [], set(), 0, 0
        part, place = 0, 0
        for found in _FRAGMENT.finditer(text):
            number, channel, sent, checksum, filling = found.groups()
            if int(number) != round_number:
                continue
            intact = channel in self.channels and zlib.crc32(channel + b" " + filling) == int(checksum)
            while place + 1 < len(places) and places[place + 1][0] < found.end():
                place += 1
            last_byte = places[place][1] + found.end() - places[place][0]
            while ends[part][0] < last_byte:
                part += 1
            twice += channel in seen
            broken += not intact
            if intact and channel not in seen:
                milliseconds.append((ends[part][1] - int(sent)) / 1e6)
            seen.add(channel)
        return milliseconds, twice, broken


def _without_chunks(wire: bytes) -> tuple[bytearray, list[tuple[int, int]]]:
    """The body in HTTP's chunks, and for each chunk where it begins in the body and in `wire`."""
    text, places, at = bytearray(), [], 0
    while at < len(wire):
        line = wire.index(b"\r\n", at)
        size = int(wire[at:line], 16)
        places.append((len(text), line + 2))
        text += wire[line + 2 : line + 2 + size]
        at = line + 2 + size + 2
    return text, places


async def _open(port: int, specs: list[dict[str, Any]], arrived: asyncio.Event) -> list[Page]:
    loop = asyncio.get_running_loop()
    opened: list[Page] = []
    for start in range(0, len(specs), _AT_ONCE):
        group = []
        for spec in specs[start : start + _AT_ONCE]:
            query = "&".join(f"channel={channel}" for channel in spec["channels"])
            request = (
                f"GET /api/events/stream?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n"
                f"Cookie: {spec['cookie']}\r\n\r\n"
            ).encode()
            channels = frozenset(channel.encode() for channel in spec["channels"])
            _, page = await loop.create_connection(lambda r=request, c=channels: Page(r, c, arrived), "127.0.0.1", port)
            group.append(page)
        async with asyncio.timeout(30):
            await asyncio.gather(*(page.greeted for page in group))
        opened += group
    return opened


async def _collect(pages: list[Page], arrived: asyncio.Event, order: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + order["patience"]
    while sum(page.pieces for page in pages) < order["expected"] and time.monotonic() < deadline:
        arrived.clear()
        try:
            await asyncio.wait_for(arrived.wait(), 0.1)
        except TimeoutError:
            continue
        await asyncio.sleep(0.005)
    # The last bytes of a row come after its mark.
    await asyncio.sleep(0.01)
    answer: dict[str, Any] = {"ms": [], "twice": 0, "broken": 0, "ended": sum(page.ended for page in pages)}
    for page in pages:
        milliseconds, twice, broken = page.take(order["round"])
        answer["ms"] += [round(value, 3) for value in milliseconds]
        answer["twice"] += twice
        answer["broken"] += broken
    return answer


async def main() -> None:
    """Open, then collect until standard input ends."""
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()
    order = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    pages = await _open(order["port"], order["pages"], arrived)
    print(json.dumps({"open": len(pages)}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await _collect(pages, arrived, json.loads(line))), flush=True)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(main())
