"""CML's telemetry, read while it arrives: the array only ever grows, and has no paging and no filter."""

from __future__ import annotations

import heapq
import json
import re
from datetime import datetime
from typing import ClassVar

from workers.clients.cml.answers.activity import TelemetryEvent

_OUTSIDE = re.compile(rb'["\[\]{}]')
_INSIDE = re.compile(rb'["\\]')


class EventSieve:
    """Takes a JSON array of events in pieces and keeps the newest ones after a moment, whatever the array's length.

    No more than `MOST` events of together `MOST_BYTES` of JSON are kept, and an entry of more than `LONGEST` bytes is skipped.
    """

    MOST: ClassVar[int] = 10_000
    MOST_BYTES: ClassVar[int] = 16 * 1024 * 1024
    LONGEST: ClassVar[int] = 256 * 1024

    def __init__(self, *, newer_than: datetime | None = None) -> None:
        self.complete = False  # a whole array has arrived, from its first bracket to its last
        self._is_array: bool | None = None
        self._newer_than = newer_than
        self._entry = bytearray()
        self._too_long = False
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._number = 0
        self._size = 0
        self._kept: list[tuple[datetime, int, int, TelemetryEvent]] = []  # a heap, the oldest on top

    def feed(self, piece: bytes) -> None:
        """The next bytes, cut anywhere."""
        at = 0
        while at < len(piece):
            at = self._string(piece, at) if self._in_string else self._structure(piece, at)

    def events(self) -> tuple[TelemetryEvent, ...]:
        """What was kept, the oldest first."""
        return tuple(event for _, _, _, event in sorted(self._kept, key=lambda kept: kept[:2]))

    def _string(self, piece: bytes, at: int) -> int:
        """Pass over the inside of a string; returns where to go on."""
        if self._escaped:
            self._escaped = False
            self._collect(piece, at, at + 1)
            return at + 1
        found = _INSIDE.search(piece, at)
        end = found.end() if found else len(piece)
        self._collect(piece, at, end)
        if found and found[0] == b'"':
            self._in_string = False
        elif found:
            self._escaped = True
        return end

    def _structure(self, piece: bytes, at: int) -> int:
        """Pass over everything up to the next bracket, brace or quote; returns where to go on."""
        found = _OUTSIDE.search(piece, at)
        end = found.end() if found else len(piece)
        opens_entry = self._depth == 1
        if found and found[0] in b"[{":
            if self._is_array is None:
                self._is_array = found[0] == b"["
            self._depth += 1
            self._collect(piece, end - 1 if opens_entry else at, end)
            return end
        self._collect(piece, at, end)
        if found and found[0] == b'"':
            self._in_string = True
        elif found:
            self._close()
        return end

    def _close(self) -> None:
        self._depth -= 1
        if self._depth == 1:
            self._take(bytes(self._entry), too_long=self._too_long)
            self._entry.clear()
            self._too_long = False
        elif self._depth == 0:
            self.complete = self._is_array is True

    def _collect(self, piece: bytes, start: int, end: int) -> None:
        """Add to the entry that is open, if any."""
        if self._depth < 2 or self._too_long:
            return
        self._entry += piece[start:end]
        if len(self._entry) > self.LONGEST:
            self._entry.clear()
            self._too_long = True

    def _take(self, entry: bytes, *, too_long: bool) -> None:
        if too_long:
            return
        try:
            event = TelemetryEvent.read(json.loads(entry, parse_constant=lambda _: None))
        except (ValueError, RecursionError):
            return
        if event is None or (self._newer_than is not None and event.at <= self._newer_than):
            return
        self._number += 1
        self._size += len(entry)
        heapq.heappush(self._kept, (event.at, self._number, len(entry), event))
        while len(self._kept) > self.MOST or self._size > self.MOST_BYTES:
            self._size -= heapq.heappop(self._kept)[2]
