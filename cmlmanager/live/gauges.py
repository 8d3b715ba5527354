"""What a web process tells of its streams, for the system page: into Redis, every ten seconds, forgotten when it stops telling."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

logger = logging.getLogger(__name__)

KEY = "cmlmanager:system:web"  # a hash: process → JSON of its gauges, with the time at which they were true
EVERY = 10.0  # seconds
ALIVE = 35.0  # seconds after which a process is taken for gone
_EXPIRE = 3600  # seconds after which all is gone with the last process
_TIMEOUT = 2.0


class GaugesWriter:
    """Writes what `snapshot` says, for as long as `run` runs. An outage of Redis costs nothing but the figures."""

    def __init__(self, url: str, snapshot: Callable[[], dict[str, Any]]) -> None:
        self._url = url
        self._snapshot = snapshot
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._started = time.time()

    async def run(self) -> None:
        """Until cancelled; then the process's figures are taken away."""
        client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            self._url, socket_connect_timeout=_TIMEOUT, socket_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0), protocol=2
        )
        try:
            while True:
                await self._write(client)
                await asyncio.sleep(EVERY)
        finally:
            await self._leave(client)

    async def _write(self, client: redis.asyncio.Redis) -> None:
        told = json.dumps({**self._snapshot(), "started": self._started, "at": time.time()})
        try:
            async with client.pipeline(transaction=False) as pipeline:
                pipeline.hset(KEY, self._name, told)
                pipeline.expire(KEY, _EXPIRE)
                await pipeline.execute()
        except (redis.RedisError, OSError, TimeoutError):
            # The reader says once that Redis is away.
            logger.debug("The figures of this process could not be told.")

    async def _leave(self, client: redis.asyncio.Redis) -> None:
        try:
            await client.hdel(KEY, self._name)
        except (redis.RedisError, OSError, TimeoutError):
            logger.debug("The figures of this process stay until they are old.")
        finally:
            await client.aclose()
