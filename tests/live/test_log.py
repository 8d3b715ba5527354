"""The log of JSON events in one process: bounded for itself and for each stream, and every stream at its own pace."""

from __future__ import annotations

import asyncio
import time

from django.utils import timezone

from cmlmanager.live import log as log_module
from cmlmanager.live.archive import Archive
from cmlmanager.live.facts import Fact, Place, fact
from cmlmanager.live.hub import BATCH_BYTES
from cmlmanager.live.log import RING, EventListener, Log

EPOCH = "0123456789abcdef"


def about(worker: int, n: int, size: int = 0) -> Fact:
    return fact("n", at=timezone.now(), topics=[f"worker.{worker}"], n=n, filling="x" * size)


def filled(count: int, size: int = 0) -> Log:
    log = Log()
    log.begin(EPOCH, (0, 0))
    log.append(((1, n), about(n % 2, n, size)) for n in range(1, count + 1))
    return log


def listener(log: Log, *channels: str, place: Place = (0, 0)) -> EventListener:
    found = EventListener(channels or ("events",), log, Archive("redis://127.0.0.1:9/0"))
    found.place = place
    return found


def test_memory_is_bounded_however_many_events_come_and_slow_streams_hold_none() -> None:
    log = filled(10 * RING)
    slow = listener(log)
    log.listeners.add(slow)
    log.append(((2, n), about(1, n)) for n in range(RING))
    assert len(log._places) == len(log._entries) < 2 * RING
    assert log.base < log._places[0]
    assert slow._pending == {}


def test_a_stream_is_handed_a_bounded_piece_at_a_time_and_all_of_it_in_the_end() -> None:
    log = filled(300, size=2_000)
    slow = listener(log)
    pieces: list[bytes] = []
    while slow._has_news():
        pieces.append(asyncio.run(slow.body()))
    assert max(map(len, pieces)) < BATCH_BYTES + 3_000
    assert b"".join(pieces).count(b"event: n\n") == 300


def test_what_is_nothing_for_a_stream_moves_its_place_and_sends_nothing() -> None:
    log = filled(99)
    quiet = listener(log, "events.worker.7")
    assert asyncio.run(quiet.body()) == b""
    assert quiet.place == log.end == (1, 99)
    assert not quiet._has_news()


def test_a_silent_stream_is_told_its_place_so_that_it_can_come_back_there() -> None:
    log = filled(99)
    quiet = listener(log, "events.worker.7", place=log.end)
    assert asyncio.run(quiet.body()) == b""
    quiet.sent_at = time.monotonic() - 11
    assert asyncio.run(quiet.body()) == f": keep-alive\nid: {EPOCH}-1-99\n\n".encode()


def test_when_the_thread_is_lost_each_stream_is_reset_once_and_goes_on() -> None:
    log = filled(9)
    streams = [listener(log), listener(log, place=log.end)]
    log.begin("fedcba9876543210", (5, 0))
    for stream in streams:
        body = asyncio.run(stream.body()).decode()
        assert body.startswith("id: fedcba9876543210-5-0\nevent: reset\n")
        assert '"reason": "lost"' in body
        assert not stream._has_news()
    log.append([((5, 1), about(1, 1))])
    assert all(b"event: n\n" in asyncio.run(stream.body()) for stream in streams)


def test_a_stream_that_is_ahead_of_this_process_gets_nothing_twice() -> None:
    log = filled(9)
    ahead = listener(log, place=(1, 12))
    assert not ahead._has_news()
    log.append(((1, n), about(1, n)) for n in range(10, 15))
    assert asyncio.run(ahead.body()).count(b"event: n\n") == 2


def test_an_archive_that_does_not_answer_is_asked_again_later() -> None:
    log = filled(10 * RING)
    behind = listener(log)

    async def ask() -> None:
        assert await behind.body() == b""
        assert not behind._has_news()
        behind._again_at = time.monotonic() - log_module._AGAIN
        assert behind._has_news()

    asyncio.run(ask())
    assert behind.place == (0, 0)


def test_a_stream_is_woken_by_what_concerns_it_and_now_and_then_to_keep_up() -> None:
    class Woken(EventListener):
        times = 0

        def wake(self) -> None:
            Woken.times += 1

    log = filled(0)
    log.listeners.add(Woken(["events.worker.1"], log, Archive("redis://127.0.0.1:9/0")))
    log.append([((1, 1), about(2, 1))])
    assert Woken.times == 0
    log.append([((1, 2), about(2, 2)), ((1, 3), about(1, 3))])
    assert Woken.times == 1
    for n in range(4, 4 + RING):
        log.append([((1, n), about(2, n))])
    assert Woken.times == 3
    assert log.base == (0, 0)
