"""The reader knows what it missed (real Redis)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cmlmanager.live import reader as reader_module
from cmlmanager.live.hub import Hub, Listener
from cmlmanager.live.messages import Message
from cmlmanager.live.publisher import STREAM_KEY, Publisher
from cmlmanager.live.reader import Reader
from tests.redis_server import RedisServer


def news(*numbers: int) -> list[Message]:
    return [Message(channel="fleet", type="n", data=str(number)) for number in numbers]


class Following:
    """A reader that can be stopped and started, and what a page on its hub heard."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.publisher = Publisher(server.url)
        self.hub = Hub()
        self.page = Listener(["fleet"])
        self.hub.subscribe(self.page)
        self.reader = Reader(server.url, self.hub)
        self.heard: list[str] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.reader.connected = False
        self._task = asyncio.create_task(self.reader.run())
        await self.until(lambda: self.reader.connected)

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.take()
                await asyncio.sleep(0.01)

    def take(self) -> None:
        for event in self.page.take().decode().split("\n\n")[:-1]:
            kind, data = event.split("\n")
            self.heard.append("reread" if kind == "event: reread" else data.removeprefix("data: "))

    async def hears(self, *expected: str) -> None:
        await self.until(lambda: len(self.heard) >= len(expected))
        assert self.heard == list(expected)
        self.heard.clear()


def following(server: RedisServer, work: Callable[[Following], Awaitable[None]]) -> None:
    async def main() -> None:
        case = Following(server)
        await case.start()
        case.publisher.publish(news(1, 2, 3))
        await case.hears("1", "2", "3")
        await work(case)
        await case.stop()

    asyncio.run(main())


def test_what_was_published_while_the_reader_was_away_is_read_from_where_it_was(redis_server: RedisServer) -> None:
    async def work(case: Following) -> None:
        await case.stop()
        case.publisher.publish(news(4, 5))
        await case.start()
        await case.hears("4", "5")

    following(redis_server, work)


def test_entries_trimmed_before_they_were_read_make_the_pages_read_again(redis_server: RedisServer) -> None:
    async def work(case: Following) -> None:
        await case.stop()
        case.publisher.publish(news(4, 5, 6))
        with redis_server.client() as client:
            client.xtrim(STREAM_KEY, maxlen=2, approximate=False)
        await case.start()
        case.publisher.publish(news(7))
        await case.hears("reread", "7")

    following(redis_server, work)


def test_entries_trimmed_after_they_were_read_are_no_loss(redis_server: RedisServer) -> None:
    async def work(case: Following) -> None:
        await case.stop()
        case.publisher.publish(news(4))
        with redis_server.client() as client:
            client.xtrim(STREAM_KEY, maxlen=1, approximate=False)
        await case.start()
        await case.hears("4")

    following(redis_server, work)


def test_another_redis_in_its_place_is_noticed_even_when_it_holds_as_many_entries(redis_server: RedisServer) -> None:
    async def work(case: Following) -> None:
        await case.stop()
        redis_server.restart()
        case.publisher.publish(news(4, 5, 6, 7))
        await case.start()
        case.publisher.publish(news(8))
        await case.hears("reread", "8")

    following(redis_server, work)


def test_a_burst_that_overtakes_the_reader_makes_the_pages_read_again(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "_BATCH", 3)

    async def work(case: Following) -> None:
        await case.stop()
        # As if the process had been stopped in the middle of a read: it does not resume, it reads on.
        monkeypatch.setattr(case.reader, "_resume", lambda _: asyncio.sleep(0))
        case.publisher.publish(news(*range(4, 20)))
        with redis_server.client() as client:
            client.xtrim(STREAM_KEY, maxlen=5, approximate=False)
        case._task = asyncio.create_task(case.reader.run())
        await case.until(lambda: "reread" in case.heard)
        case.heard.clear()
        case.publisher.publish(news(20))
        await case.hears("20")

    following(redis_server, work)


def test_a_heartbeat_leaves_its_time(redis_server: RedisServer) -> None:
    async def work(case: Following) -> None:
        assert case.reader.heartbeat_age is None
        case.publisher.publish([Message(channel="live", type="heartbeat", data="{}")])
        await case.until(lambda: case.reader.heartbeat_age is not None)
        age = case.reader.heartbeat_age
        assert age is not None
        assert 0 <= age < 10

    following(redis_server, work)
