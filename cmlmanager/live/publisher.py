"""News leaves a process here. Best effort, bounded in time: publishing never fails or delays the work that it reports."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from cmlmanager.live.facts import EVENTS_KEY, Fact, gap
from cmlmanager.live.messages import Message, reread

logger = logging.getLogger(__name__)

STREAM_KEY = "cmlmanager:live"
# About twenty full refreshes of 1,000 workers: a reader that is further behind tells its pages to read again.
STREAM_LENGTH = 20_000
# JSON events are kept so that a client that comes back finds what it missed: about a kilobyte each, and hours of a busy fleet.
EVENTS_KEPT = 50_000
# Seconds. One retry, for the pooled connection that a restarted Redis has closed: under a second in the worst case.
_CONNECT_TIMEOUT = 0.3
_TIMEOUT = 0.4
_PAUSE = 2.0
LOST_KEY = "cmlmanager:live:lost"  # how many messages all processes have dropped, since Redis was last empty


class Publisher:
    """A lazily made connection and a circuit breaker; shared by all threads of one process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._closed_until = 0.0
        self._away = False
        self._missed = False
        self._lost = 0

    def publish(self, messages: Iterable[Message | Fact]) -> None:
        """Append `messages` to their streams in one round trip, or drop them. Never raises."""
        try:
            batch = list(messages)
            if batch and not self._is_paused(len(batch)):
                self._send(batch)
        except Exception:
            # News about finished work: the pages find out when they next read.
            logger.exception("Live updates could not be published because of an unexpected error.")

    def _is_paused(self, size: int) -> bool:
        with self._lock:
            if time.monotonic() >= self._closed_until:
                return False
            self._missed = True
            self._lost += size
            return True

    def _send(self, batch: list[Message | Fact]) -> None:
        with self._lock:
            owed, self._missed = self._missed, False
            lost, self._lost = self._lost, 0
            if self._client is None:
                self._client = redis.Redis.from_url(
                    self._url,
                    socket_connect_timeout=_CONNECT_TIMEOUT,
                    socket_timeout=_TIMEOUT,
                    retry=Retry(NoBackoff(), 1),
                )
            client = self._client
        try:
            with client.pipeline(transaction=False) as pipeline:
                for message in [reread(), gap(), *batch] if owed else batch:
                    key, length = _stream_of(message)
                    pipeline.xadd(key, message.fields(), maxlen=length, approximate=True)  # type: ignore[arg-type]
                if lost:
                    pipeline.incrby(LOST_KEY, lost)
                pipeline.execute()
        except (redis.RedisError, OSError) as error:
            self._failed(error, lost + len(batch))
        except Exception:
            with self._lock:
                self._missed = True
                self._lost += lost + len(batch)
            raise
        else:
            self._succeeded()

    def _failed(self, error: Exception, lost: int) -> None:
        with self._lock:
            self._lost += lost
            first, self._away, self._missed = not self._away, True, True
            self._closed_until = time.monotonic() + _PAUSE
        if first:
            logger.warning("Redis does not take live updates (%s); pages will read again when it is back.", error)

    def _succeeded(self) -> None:
        with self._lock:
            back, self._away = self._away, False
        if back:
            logger.info("Redis takes live updates again; pages were told to read again.")


def _stream_of(message: Message | Fact) -> tuple[str, int]:
    """Where a message goes, and how many of its kind are kept."""
    if isinstance(message, Fact):
        return EVENTS_KEY, getattr(settings, "LIVE_EVENTS_KEPT", EVENTS_KEPT)
    return STREAM_KEY, STREAM_LENGTH


_publisher: Publisher | None = None


def publish(messages: Iterable[Message | Fact]) -> None:
    """Send `messages` to every open page and client that listens. Call it after commit (`transaction.on_commit`).

    Returns within a second even when Redis is away, and at once for two seconds after that; never raises. What was not sent is
    made up for: the first success afterwards is preceded by an order to all pages and clients to read again.
    """
    global _publisher  # noqa: PLW0603 - one a process; a forked child must not share its parent's socket
    if _publisher is None:
        _publisher = Publisher(settings.REDIS_URL)
    _publisher.publish(messages)


def forget_connection() -> None:
    """Start afresh, as a forked child does: the parent's socket and its lock are not ours."""
    global _publisher  # noqa: PLW0603
    _publisher = None


os.register_at_fork(after_in_child=forget_connection)
