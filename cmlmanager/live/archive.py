"""The JSON events that Redis keeps, for streams that come back or are far behind."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cmlmanager.live.facts import EVENTS_KEY, Fact, Place, place_in_stream

EPOCH_KEY = f"{EVENTS_KEY}:epoch"
# Entries read for one stream at a time: what it holds while its client takes them.
_PAGE = 200
# Connections of a process for this, however many streams come back at once. Seconds that one may wait for its turn or an answer.
_CONNECTIONS, _PATIENCE = 4, 5.0


class Expired(Exception):
    """Something after the place asked for is not kept any more."""


class Archive:
    """Reads on demand; makes its connections when first asked. One event loop only."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: redis.asyncio.Redis | None = None

    async def after(self, place: Place, *, until: Place, epoch: str) -> tuple[list[tuple[Place, Fact]], bool]:
        """What came after `place`, up to `until`, in order: a page of it, and whether that is all.

        Raises Expired when some of it is gone; redis.RedisError, OSError or TimeoutError when Redis does not answer.
        """
        async with self._connected().pipeline(transaction=True) as pipeline:
            pipeline.get(EPOCH_KEY)
            pipeline.xinfo_stream(EVENTS_KEY)
            pipeline.xrange(EVENTS_KEY, f"({place[0]}-{place[1]}", f"{until[0]}-{until[1]}", count=_PAGE)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, redis.ResponseError):
                raise Expired from answer  # there is no such stream any more
            if isinstance(answer, Exception):
                raise answer
        found, info, entries = answers
        first = info["first-entry"]
        trimmed = int(info["entries-added"]) > int(info["length"])
        if found != epoch.encode() or (trimmed and (first is None or place_in_stream(first[0]) > place)):
            raise Expired
        facts = []
        for entry, fields in entries:
            try:
                facts.append((place_in_stream(entry), Fact.from_fields(fields)))
            except KeyError:
                continue
        return facts, len(entries) < _PAGE

    async def end(self) -> Place:
        """The place of the newest entry. Raises as `after` does."""
        try:
            info: Any = await self._connected().xinfo_stream(EVENTS_KEY)
        except redis.ResponseError:
            return (0, 0)
        return place_in_stream(info["last-generated-id"])

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connected(self) -> redis.asyncio.Redis:
        if self._client is None:
            pool = redis.asyncio.BlockingConnectionPool.from_url(
                self._url,
                max_connections=_CONNECTIONS,
                timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                socket_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 1),
                protocol=2,
            )
            self._client = redis.asyncio.Redis.from_pool(pool)
        return self._client
