"""How much one credential may ask: requests a minute, reads and writes apart, counted in Redis for all web processes.

Not in the database, where Django's cache is: a row written for each read would make readers of SQLite wait for each other. While
Redis is away each process counts for itself, so that the API goes on and is still bounded.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from redis.backoff import NoBackoff
from redis.retry import Retry

from cmlmanager.api.auth import SAFE, spender
from cmlmanager.api.problems import Problem

logger = logging.getLogger(__name__)

WINDOW = 60  # seconds
_CONNECT_TIMEOUT = 0.3
_TIMEOUT = 0.3
_PAUSE = 5.0  # seconds for which a Redis that did not answer is not asked


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left: `limit` requests a minute, of which `remaining` until `reset` seconds from now."""

    limit: int
    remaining: int
    reset: int

    def mark(self, response: HttpResponse) -> None:
        """Say it in the answer's headers. Source: draft-ietf-httpapi-ratelimit-headers-06."""
        response["RateLimit-Limit"] = str(self.limit)
        response["RateLimit-Remaining"] = str(self.remaining)
        response["RateLimit-Reset"] = str(self.reset)


class Counting:
    """Requests of this minute, by name. Shared by all threads of a process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._closed_until = 0.0
        self._own: Counter[str] = Counter()
        self._own_minute = 0

    def count(self, name: str, minute: int) -> int:
        """One more of `name` in `minute`; how many there are now."""
        if time.monotonic() >= self._closed_until:
            try:
                return self._in_redis(f"cmlmanager:api:{name}:{minute}")
            except (redis.RedisError, OSError) as error:
                logger.warning("Redis does not count API requests (%s); each web process counts for itself.", error)
                self._closed_until = time.monotonic() + _PAUSE
        with self._lock:
            if minute != self._own_minute:
                self._own, self._own_minute = Counter(), minute
            self._own[name] += 1
            return self._own[name]

    def _in_redis(self, key: str) -> int:
        with self._lock:
            if self._client is None:
                self._client = redis.Redis.from_url(
                    self._url, socket_connect_timeout=_CONNECT_TIMEOUT, socket_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 1)
                )
            client = self._client
        with client.pipeline(transaction=False) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, 2 * WINDOW)
            return int(pipeline.execute()[0])


_counting: Counting | None = None


def _shared() -> Counting:
    global _counting  # noqa: PLW0603 - one a process; a forked child must not share its parent's socket
    if _counting is None:
        _counting = Counting(settings.REDIS_URL)
    return _counting


def forget() -> None:
    """Start afresh, as a forked child does."""
    global _counting  # noqa: PLW0603
    _counting = None


os.register_at_fork(after_in_child=forget)


def spend(request: HttpRequest) -> Allowance:
    """Count this request. Raises Problem (429) when its credential has asked for as much as it may this minute."""
    reads = request.method in SAFE
    limit = settings.API_READS_PER_MINUTE if reads else settings.API_WRITES_PER_MINUTE
    name = f"{'read' if reads else 'write'}:{hashlib.sha256(spender(request).encode()).hexdigest()[:24]}"
    now = int(time.time())
    count = _shared().count(name, now // WINDOW)
    allowance = Allowance(limit, max(0, limit - count), WINDOW - now % WINDOW)
    if count > limit:
        sentence = f"At most {limit} {'reads' if reads else 'writes'} a minute; ask again in {allowance.reset} s."
        raise TooManyRequests(sentence, allowance)
    return allowance


class TooManyRequests(Problem):
    """The minute's requests are spent."""

    def __init__(self, sentence: str, allowance: Allowance) -> None:
        super().__init__("too-many", sentence, headers={"Retry-After": str(allowance.reset)})
        self.allowance = allowance
