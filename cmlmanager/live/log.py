"""The newest JSON events in one web process: one copy, which every stream reads at its own pace, however slow."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Iterable

import redis

from cmlmanager.live.archive import Archive, Expired
from cmlmanager.live.facts import RESET, Fact, Place, event_id, place_of, reset_data
from cmlmanager.live.hub import BATCH_BYTES, Listener
from cmlmanager.live.messages import encode_event

# Events in memory; a stream that is further behind reads on from Redis. Twice as many at most, before the older half goes.
RING = 2_000
# Seconds of silence after which a stream is told its place, so that it never comes back with one that is long gone.
_QUIET = 10.0
_AGAIN = 1.0


class Log:
    """Events in order. `base` is the place just before the oldest one in memory, `end` that of the newest."""

    def __init__(self) -> None:
        self.epoch = ""
        # Rises whenever the thread is lost: every stream is then told to read again.
        self.generation = 0
        self.base: Place = (0, 0)
        self.end: Place = (0, 0)
        self.listeners: set[EventListener] = set()
        self._places: list[Place] = []
        self._entries: list[tuple[Fact, bytes]] = []
        self._unread = 0  # since all were last woken

    @property
    def is_ready(self) -> bool:
        """Whether it is known where in which stream we are."""
        return bool(self.epoch)

    def begin(self, epoch: str, end: Place) -> None:
        """Start at `end` of the stream called `epoch`: whoever listened before may have missed something."""
        self.epoch, self.base, self.end = epoch, end, end
        self.generation += 1
        self._places, self._entries = [], []
        self._wake_all()

    def append(self, facts: Iterable[tuple[Place, Fact]]) -> None:
        """Take what was read from the stream, and wake the streams that it concerns."""
        new: list[Fact] = []
        for place, fact in facts:
            new.append(fact)
            self._places.append(place)
            self._entries.append((fact, fact.encode(event_id(self.epoch, place))))
            self.end = place
        if len(self._places) >= 2 * RING:
            surplus = len(self._places) - RING
            self.base = self._places[surplus - 1]
            del self._places[:surplus], self._entries[:surplus]
        self._unread += len(new)
        if self._unread >= RING // 2:
            # Now and then all, so that none that hears nothing lags behind what is in memory.
            self._unread = 0
            self._wake_all()
            return
        heard = Fact(type="", topics=frozenset().union(*(fact.topics for fact in new)), data="")
        for listener in self.listeners:
            if heard.concerns(listener.channels):
                listener.wake()

    def skip_to(self, place: Place) -> None:
        """What came up to `place` was nothing for anybody."""
        self.end = max(self.end, place)

    def after(self, place: Place, channels: frozenset[str]) -> tuple[bytes, int, Place]:
        """Up to about BATCH_BYTES of what `channels` hear after `place` (not before `base`): bytes, events, and how far that reaches."""
        pieces: list[bytes] = []
        size = 0
        for index in range(bisect_right(self._places, place), len(self._places)):
            fact, wire = self._entries[index]
            place = self._places[index]
            if fact.concerns(channels):
                pieces.append(wire)
                size += len(wire)
                if size >= BATCH_BYTES:
                    return b"".join(pieces), len(pieces), place
        return b"".join(pieces), len(pieces), max(place, self.end)

    def _wake_all(self) -> None:
        for listener in self.listeners:
            listener.wake()


class EventListener(Listener):
    """One stream of JSON events: a place in the log. What waits for it is in the log or in Redis, never here."""

    __slots__ = ("_again_at", "_archive", "_generation", "_log", "_reason", "place")

    def __init__(self, channels: Iterable[str], log: Log, archive: Archive) -> None:
        super().__init__(channels)
        self._log, self._archive = log, archive
        self._generation = log.generation
        self._reason = ""
        self._again_at = 0.0
        self.place = log.end

    async def resume(self, last_id: str) -> None:
        """Go on after the event with this id: exactly where the client was, or with a `reset`. Raises redis.RedisError or OSError."""
        place = place_of(last_id, self._log.epoch)
        if place is None:
            self._reason = "unknown"
            return
        if place > self._log.end and place > await self._archive.end():
            self._reason = "unknown"  # somebody invented it, or the Redis lost its last second
            return
        # Another web process may be a moment ahead of ours: what the client has is then not sent twice.
        self.place = place

    def hello(self, about: str) -> bytes:
        """The first event, with the place as its id: also who hears nothing else can come back to it."""
        return f"id: {event_id(self._log.epoch, self.place)}\n".encode() + encode_event("hello", about)

    async def body(self) -> bytes:
        """What to send next; empty when what came is nothing for this stream."""
        if self._reason or self._generation != self._log.generation:
            return self._reset(self._reason or "lost")
        if self.place < self._log.base:
            return await self._from_archive() or self._place_if_quiet()
        wire, count, self.place = self._log.after(self.place, self.channels)
        self._counters.delivered += count
        return wire or self._place_if_quiet()

    def _has_news(self) -> bool:
        if self._reason or self._generation != self._log.generation:
            return True
        return self.place < self._log.end and time.monotonic() >= self._again_at

    async def _from_archive(self) -> bytes:
        until, generation = self._log.base, self._generation
        try:
            facts, whole = await self._archive.after(self.place, until=until, epoch=self._log.epoch)
        except Expired:
            return self._reset("expired")
        except (redis.RedisError, OSError, TimeoutError):
            # Redis is away: this stream waits where it is.
            self._again_at = time.monotonic() + _AGAIN
            asyncio.get_running_loop().call_later(_AGAIN, self.wake)
            return b""
        if generation != self._log.generation:
            return self._reset("lost")
        pieces: list[bytes] = []
        size = 0
        for place, fact in facts:
            self.place = place
            if fact.concerns(self.channels):
                pieces.append(fact.encode(event_id(self._log.epoch, place)))
                size += len(pieces[-1])
                if size >= BATCH_BYTES:
                    break
        else:
            self.place = until if whole else self.place
        self._counters.delivered += len(pieces)
        return b"".join(pieces)

    def _reset(self, reason: str) -> bytes:
        self._reason, self._generation, self.place = "", self._log.generation, self._log.end
        return f"id: {event_id(self._log.epoch, self.place)}\n".encode() + encode_event(RESET, reset_data(reason))

    def _place_if_quiet(self) -> bytes:
        if time.monotonic() - self.sent_at < _QUIET:
            return b""
        # An id without data is no event: a client only remembers it.
        return f": keep-alive\nid: {event_id(self._log.epoch, self.place)}\n\n".encode()
