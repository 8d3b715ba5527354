"""One task a web process reads the Redis stream for all its pages, and notices when it missed something."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cmlmanager.live.facts import EVENTS_KEY, Fact, gap, place_in_stream
from cmlmanager.live.hub import Hub
from cmlmanager.live.log import Log
from cmlmanager.live.messages import HEARTBEAT, LIVE, Message, reread
from cmlmanager.live.publisher import STREAM_KEY

logger = logging.getLogger(__name__)

_BATCH = 500
_BLOCK_MS = 5_000
_CONNECT_TIMEOUT = 2.0
_READ_TIMEOUT = _BLOCK_MS / 1000 + 5
# Seconds in which several web processes that come back count as one outage.
_ONE_GAP = 5
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 5.0
# Places filled before the event loop gets its turn, so that a burst to a thousand pages does not hold up the others' requests.
_PLACES_AT_ONCE = 5_000


class Follower:
    """Follows one Redis stream, through any outage, for as long as `run` runs. Who is told what, its children decide."""

    key = STREAM_KEY

    def __init__(self, url: str) -> None:
        self._url = url
        self._epoch: bytes | None = None
        self._last_id: bytes | str = "0-0"
        # How many entries had ever been added to the stream when ours was the last one.
        self._position = 0
        self._may_have_missed = False
        self.connected = False

    async def run(self) -> None:
        """Read until cancelled."""
        delay = _FIRST_DELAY
        while True:
            try:
                await self._follow()
            except (redis.RedisError, OSError, TimeoutError) as error:
                delay = _FIRST_DELAY if self.connected else min(delay * 2, _LONGEST_DELAY)
                self._lost(str(error))
            except Exception:
                delay = _LONGEST_DELAY
                logger.exception("Reading live updates failed unexpectedly; trying again.")
                self._lost("see above")
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    def _lost(self, reason: str) -> None:
        if self.connected or not self._may_have_missed:
            logger.warning("Live updates cannot be read from Redis (%s); trying again until they can.", reason)
        self.connected = False
        self._may_have_missed = True

    async def _follow(self) -> None:
        client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            self._url,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_timeout=_READ_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=True,
            protocol=2,
        )
        try:
            await self._resume(client)
            while True:
                await self._read(client)
        finally:
            await client.aclose()

    async def _resume(self, client: redis.asyncio.Redis) -> None:
        """Take up where we were, or at the end of the stream when that place is gone; pages read again after any outage."""
        # A random word that lives and dies with the stream: another word means another, emptied Redis.
        await client.set(f"{self.key}:epoch", secrets.token_hex(8), nx=True)
        epoch: Any = await client.get(f"{self.key}:epoch")
        first, same = self._epoch is None, epoch == self._epoch
        if not same or await self._is_cut_off(client):
            await self._go_to_end(client)
            self._may_have_missed = self._may_have_missed or not first
            self._epoch = epoch
            self._lost_thread()
        self.connected = True
        if self._may_have_missed:
            self._may_have_missed = False
            await self._came_back(client)

    def _lost_thread(self) -> None:
        """We go on at the stream's end; what came before is not read any more."""

    async def _came_back(self, client: redis.asyncio.Redis) -> None:
        """There was an outage, in which whoever publishes may have failed as well."""

    async def _is_cut_off(self, client: redis.asyncio.Redis) -> bool:
        """Whether entries behind our place were trimmed before we read them, or the stream is younger than we are.

        XINFO STREAM's `entries-added` (Redis 7, Valkey) counts every entry ever, so `entries-added - length` were removed.
        """
        added, length, _ = await self._describe(client)
        return added < self._position or added - length > self._position

    async def _go_to_end(self, client: redis.asyncio.Redis) -> None:
        self._position, _, self._last_id = await self._describe(client)

    async def _read(self, client: redis.asyncio.Redis) -> None:
        answer: Any = await client.xread({self.key: self._last_id}, count=_BATCH, block=_BLOCK_MS)
        if not answer:
            return
        entries = answer[0][1]
        if len(entries) == _BATCH and await self._is_cut_off(client):
            logger.warning("Live updates came faster than they were read; pages and clients read again.")
            await self._go_to_end(client)
            self._lost_thread()
            self._overtaken()
            return
        self._last_id = entries[-1][0]
        self._position += len(entries)
        await self._deliver(entries)

    def _overtaken(self) -> None:
        """Entries were trimmed before they were read."""

    async def _deliver(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        raise NotImplementedError

    async def _describe(self, client: redis.asyncio.Redis) -> tuple[int, int, bytes | str]:
        """Entries ever added, entries kept, and the last id; of a stream that does not exist: nothing yet."""
        try:
            info: Any = await client.xinfo_stream(self.key)
        except redis.ResponseError:
            if await client.exists(self.key):
                raise
            return 0, 0, "0-0"
        return int(info["entries-added"]), int(info["length"]), info["last-generated-id"]


class Reader(Follower):
    """Brings the news of pages to `hub`."""

    def __init__(self, url: str, hub: Hub) -> None:
        super().__init__(url)
        self._hub = hub
        self._heartbeat_at: float | None = None

    @property
    def heartbeat_age(self) -> float | None:
        """Seconds since a heartbeat came through, or None when none ever did."""
        return None if self._heartbeat_at is None else time.monotonic() - self._heartbeat_at

    async def _came_back(self, client: redis.asyncio.Redis) -> None:
        self._overtaken()
        logger.info("Live updates are read from Redis again; %d pages read again.", len(self._hub.listeners))

    def _overtaken(self) -> None:
        self._hub.deliver([reread()])

    async def _deliver(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        places = 0
        for _, fields in entries:
            try:
                message = Message.from_fields(fields)
            except KeyError:
                continue
            if message.channel == LIVE and message.type == HEARTBEAT:
                self._heartbeat_at = time.monotonic()
            places += self._hub.deliver([message])
            if places >= _PLACES_AT_ONCE:
                places = 0
                await asyncio.sleep(0)


class EventsReader(Follower):
    """Brings JSON events to `log`."""

    key = EVENTS_KEY

    def __init__(self, url: str, log: Log) -> None:
        super().__init__(url)
        self._log = log

    def _lost_thread(self) -> None:
        assert self._epoch is not None
        self._log.begin(self._epoch.decode(), place_in_stream(self._last_id))

    async def _came_back(self, client: redis.asyncio.Redis) -> None:
        # What we read goes on where it was, but others may have failed to write, and ended before they could say so. The mark stands
        # in the stream for whoever comes back later, too; of several web processes one makes it.
        if await client.set(f"{self.key}:gap", "1", nx=True, ex=_ONE_GAP):
            await client.xadd(self.key, gap().fields())  # type: ignore[arg-type]

    async def _deliver(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        facts = []
        for entry, fields in entries:
            try:
                facts.append((place_in_stream(entry), Fact.from_fields(fields)))
            except KeyError:
                continue
        self._log.skip_to(place_in_stream(entries[-1][0]))
        self._log.append(facts)
