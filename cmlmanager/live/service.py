"""What runs once in a web process for all its streams: the reader, the re-check of permissions, keep-alives, gauges."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError

from cmlmanager.live.archive import Archive
from cmlmanager.live.authorize import Authorizer, Credential, Verdict
from cmlmanager.live.gauges import GaugesWriter
from cmlmanager.live.hub import Hub, Listener
from cmlmanager.live.log import EventListener, Log
from cmlmanager.live.messages import LIVE, POWERS, encode_event, stream_error
from cmlmanager.live.reader import EventsReader, Reader

logger = logging.getLogger(__name__)

SIGNED_OUT = "You are signed out. Sign in again to get live updates."
FORBIDDEN = "You may no longer see this. Ask an administrator of the portal for a role."
UNAVAILABLE = "Permissions cannot be checked at the moment. The page tries again by itself."

_TICK = 5.0
# Seconds of silence after which a stream gets a comment: with the tick, never more than 15.
_QUIET = 10.0
# Seconds that a page may take to accept what was sent to it before its stream is given up.
_STUCK = 60.0
# Re-checks in a row that may fail for want of a database before the streams are closed.
_FAILURES = 3


class TooManyStreamsError(Exception):
    """The process is full."""


class TooManyOfSessionError(Exception):
    """One session holds as many streams as it may."""


@dataclass(eq=False, slots=True)
class OpenStream:
    """A stream, whose it is, what they might do when it was last checked, and the task that serves it."""

    listener: Listener
    credential: Credential
    user_id: str
    powers: int
    task: asyncio.Task[Any]


class LiveService:
    """Started with the ASGI lifespan, or by the first stream where the server knows no lifespan. One event loop only."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.log = Log()
        self.archive = Archive(settings.REDIS_URL)
        self.authorizer = Authorizer()
        self.reader: Reader | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._streams: set[OpenStream] = set()
        self._of_session: Counter[Credential] = Counter()
        self._failed_checks = 0

    def start(self) -> None:
        """Start the background tasks in the running loop; nothing happens when they run."""
        if self._tasks:
            return
        self.reader = Reader(settings.REDIS_URL, self.hub)
        works = {
            "live-reader": self.reader.run(),
            "live-events": EventsReader(settings.REDIS_URL, self.log).run(),
            "live-recheck": self._keep_checking(),
            "live-tick": self._keep_ticking(),
            "live-gauges": GaugesWriter(settings.REDIS_URL, self.snapshot).run(),
        }
        self._tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]

    async def stop(self) -> None:
        """End every stream and the background tasks."""
        for stream in self._streams:
            stream.listener.end()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.archive.close()
        self.authorizer.stop()

    def open(self, listener: Listener, credential: Credential, verdict: Verdict) -> OpenStream:
        """Admit a stream that the current task serves. Raises TooManyStreamsError or TooManyOfSessionError.

        Bounds: LIVE_MAX_STREAMS a process (default 5,000), LIVE_MAX_STREAMS_PER_SESSION (default 30).
        """
        if len(self._streams) >= getattr(settings, "LIVE_MAX_STREAMS", 5_000):
            raise TooManyStreamsError
        assert verdict.user_id is not None
        if self._of_session[credential] >= getattr(settings, "LIVE_MAX_STREAMS_PER_SESSION", 30):
            raise TooManyOfSessionError
        task = asyncio.current_task()
        assert task is not None
        stream = OpenStream(listener, credential, verdict.user_id, verdict.powers, task)
        self._streams.add(stream)
        self._of_session[credential] += 1
        if isinstance(listener, EventListener):
            listener.count_in(self.hub.counters)
            self.log.listeners.add(listener)
        else:
            self.hub.subscribe(listener)
        return stream

    def close(self, stream: OpenStream) -> None:
        """Forget a stream that ended."""
        if isinstance(stream.listener, EventListener):
            self.log.listeners.discard(stream.listener)
        else:
            self.hub.unsubscribe(stream.listener)
        self._streams.discard(stream)
        self._of_session[stream.credential] -= 1
        if self._of_session[stream.credential] <= 0:
            del self._of_session[stream.credential]

    def snapshot(self) -> dict[str, float | bool | None]:
        """Gauges of this process. heartbeat_age is in seconds, None before the first; the counters only rise."""
        counters = self.hub.counters
        return {
            "streams": len(self._streams),
            "delivered": counters.delivered,
            "coalesced": counters.coalesced,
            "dropped": counters.dropped,
            "reader_connected": self.reader is not None and self.reader.connected,
            "heartbeat_age": None if self.reader is None else self.reader.heartbeat_age,
        }

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(getattr(settings, "LIVE_RECHECK_SECONDS", 20))
            try:
                await self.recheck()
            except Exception:
                # The guard must outlive any surprise; recheck has already counted it as a failure.
                logger.exception("Re-checking who may keep a live stream failed unexpectedly.")

    async def recheck(self) -> None:
        """Ask once for all open streams whether they may stay, and end those that may not.

        While the database does not answer they stay, until the third time in a row: then all are ended, and pages ask again.
        """
        streams = list(self._streams)
        if not streams:
            self._failed_checks = 0
            return
        questions = {(stream.credential, stream.listener.channels) for stream in streams}
        order = list(questions)
        try:
            verdicts = dict(zip(order, await self.authorizer.ask_all(order), strict=True))
        except (DatabaseError, TimeoutError) as error:
            self._check_failed(streams, str(error) or "time-out")
            return
        except Exception as error:
            self._check_failed(streams, str(error))
            raise
        self._failed_checks = 0
        for stream in streams:
            _apply(verdicts[stream.credential, stream.listener.channels], stream)

    def _check_failed(self, streams: list[OpenStream], reason: str) -> None:
        self._failed_checks += 1
        logger.warning("Who may keep a live stream could not be checked (%s), %d times now.", reason, self._failed_checks)
        if self._failed_checks >= _FAILURES:
            for stream in streams:
                stream.listener.end(stream_error("unavailable", UNAVAILABLE))

    async def _keep_ticking(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            self.hub.forget_old()
            for stream in list(self._streams):
                listener = stream.listener
                if listener.sending_since is not None:
                    if now - listener.sending_since > _STUCK:
                        listener.sending_since = None
                        stream.task.cancel()
                elif now - listener.sent_at >= _QUIET:
                    listener.wake()


def _apply(verdict: Verdict, stream: OpenStream) -> None:
    if verdict.user_id != stream.user_id:
        stream.listener.end(stream_error("signed-out", verdict.refusal or SIGNED_OUT))
    elif verdict.denied:
        stream.listener.end(stream_error("forbidden", FORBIDDEN))
    elif verdict.powers != stream.powers:
        stream.powers = verdict.powers
        if not isinstance(stream.listener, EventListener):
            stream.listener.push((LIVE, POWERS), encode_event(POWERS, "{}"))


_service: LiveService | None = None


def service() -> LiveService:
    """This process's service."""
    global _service  # noqa: PLW0603 - one a process
    if _service is None:
        _service = LiveService()
    return _service


def snapshot() -> dict[str, float | bool | None]:
    """Gauges of this process, for metrics; all zero where no stream is served."""
    return service().snapshot()
