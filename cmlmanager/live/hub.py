"""Fan-out inside one web process: every message is encoded once, and each listener keeps references to the shared bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable

from cmlmanager.live.messages import LIVE, Message, encode_event, reread

# Different things that may wait for one slow page before it is told to read everything again instead.
MAX_PENDING = 2_000
# Bytes handed to the server at once. What waits behind them can still be replaced by newer news.
BATCH_BYTES = 64 * 1024
# A page is rendered some time before its stream opens: what happened in between is sent to it again.
RECENT_SECONDS = 20.0
MAX_RECENT = 5_000

Key = tuple[str, ...]
_REREAD = reread()
_REREAD_WIRE = _REREAD.encode()
_KEEP_ALIVE = b": keep-alive\n\n"


class Counters:
    """Since the process started: pieces handed to streams, replaced while waiting, and thrown away in an overflow."""

    __slots__ = ("coalesced", "delivered", "dropped")

    def __init__(self) -> None:
        self.delivered = self.coalesced = self.dropped = 0


class Listener:
    """One open stream: what waits for it, and a way to wake it. Only for the thread of its event loop."""

    __slots__ = ("_counters", "_pending", "_waiter", "channels", "ended", "farewell", "sending_since", "sent_at")

    def __init__(self, channels: Iterable[str]) -> None:
        self.channels = frozenset(channels) | {LIVE}
        self.ended = False
        self.farewell = b""
        self.sent_at = time.monotonic()
        self.sending_since: float | None = None
        self._pending: dict[Key, bytes] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._counters = Counters()

    def count_in(self, counters: Counters) -> None:
        self._counters = counters

    def push(self, key: Key, wire: bytes) -> None:
        """Queue one encoded event behind all others, in place of an older one with the same key."""
        pending = self._pending
        if pending.pop(key, None) is not None:
            self._counters.coalesced += 1
        elif len(pending) >= MAX_PENDING:
            self._counters.dropped += len(pending)
            pending.clear()
            pending[_REREAD.key] = _REREAD_WIRE
        pending[key] = wire
        self.wake()

    def take(self) -> bytes:
        """The oldest waiting events, joined, up to about BATCH_BYTES; empty when nothing waits."""
        pending = self._pending
        if not pending:
            return b""
        size, keys = 0, []
        for key, wire in pending.items():
            keys.append(key)
            size += len(wire)
            if size >= BATCH_BYTES:
                break
        self._counters.delivered += len(keys)
        return b"".join([pending.pop(key) for key in keys])

    def end(self, farewell: bytes = b"") -> None:
        """End the stream: what waits is not sent any more, `farewell` is. The first call counts."""
        if not self.ended:
            self.ended, self.farewell = True, farewell
            self.wake()

    def wake(self) -> None:
        """Let `wait` return."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def hello(self, about: str) -> bytes:
        """The first event of the stream; `about` is its JSON."""
        return encode_event("hello", about)

    async def body(self) -> bytes:
        """What to send after `wait`: what waits, or else a sign of life."""
        return self.take() or _KEEP_ALIVE

    async def wait(self) -> None:
        """Until something was pushed, the stream was ended, or somebody called `wake`. At once when that is so already."""
        if self.ended or self._has_news():
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _has_news(self) -> bool:
        return bool(self._pending)


class Hub:
    """Who listens to which channel in this process."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.listeners: set[Listener] = set()
        self._by_channel: dict[str, set[Listener]] = {}
        self._recent: dict[str, dict[Key, tuple[float, bytes]]] = {}
        self._recent_size = 0

    def subscribe(self, listener: Listener) -> None:
        """From now on `listener` gets what is delivered on its channels; first, what was in the last seconds."""
        listener.count_in(self.counters)
        self.listeners.add(listener)
        for channel in listener.channels:
            self._by_channel.setdefault(channel, set()).add(listener)
        oldest = time.monotonic() - RECENT_SECONDS
        for channel in listener.channels & self._recent.keys():
            for key, (at, wire) in self._recent[channel].items():
                if at >= oldest:
                    listener.push(key, wire)

    def unsubscribe(self, listener: Listener) -> None:
        """Forget `listener`; nothing happens when it is not known."""
        self.listeners.discard(listener)
        for channel in listener.channels:
            group = self._by_channel.get(channel)
            if group is not None:
                group.discard(listener)
                if not group:
                    del self._by_channel[channel]

    def deliver(self, messages: Iterable[Message]) -> int:
        """Queue `messages` at everybody who listens to their channels; returns at how many places."""
        places = 0
        now = time.monotonic()
        for message in messages:
            key, wire = message.key, message.encode()
            if key != _REREAD.key:
                self._remember(message.channel, key, now, wire)
            group: Collection[Listener] = self._by_channel.get(message.channel, ())
            for listener in group:
                listener.push(key, wire)
            places += len(group)
        return places

    def forget_old(self) -> None:
        """Drop what is too old to be sent to a new page. Called every few seconds."""
        oldest = time.monotonic() - RECENT_SECONDS
        for channel, items in list(self._recent.items()):
            for key, (at, _) in list(items.items()):
                if at >= oldest:
                    break
                del items[key]
                self._recent_size -= 1
            if not items:
                del self._recent[channel]

    def _remember(self, channel: str, key: Key, at: float, wire: bytes) -> None:
        items = self._recent.setdefault(channel, {})
        if items.pop(key, None) is None:
            self._recent_size += 1
        items[key] = (at, wire)
        if self._recent_size > MAX_RECENT:
            # A burst beyond the bound: a page that opens right now reads again within a minute anyway.
            self._recent.clear()
            self._recent_size = 0
