"""What lies between a browser and the portal: a TCP proxy that a test may cut, or let swallow everything without a word."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any

from tests.live.portal import until


class Wire:
    """A loopback port that leads to `target`.

    `cut` closes every connection, as proxies do with those that seem idle, before anything was swallowed. `swallow` is a network that
    changed: connections stay open and nothing comes through, not even that they are dead, and new ones hang. After `heal` new ones
    pass; the old ones stay dead.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._life = 0
        self._swallows = False
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._carry, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for _ in range(3):  # a task that ends may leave a connection behind that is being closed
            await self._abort()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.05)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def cut(self) -> None:
        self._do(self._abort())
        until(lambda: not self._open, "the connections are closed")

    async def _abort(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    def swallow(self) -> None:
        self._swallows = True
        self._life += 1

    def heal(self) -> None:
        self._swallows = False

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        life = self._life
        self._open.add(writer)
        back: asyncio.StreamWriter | None = None
        pumps: list[asyncio.Task[None]] = []
        try:
            if not self._swallows:
                there, back = await asyncio.open_connection("127.0.0.1", self._target)
                pumps = [
                    asyncio.create_task(self._pump(reader, back, life)),
                    asyncio.create_task(self._pump(there, writer, life)),
                ]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            while life != self._life or self._swallows:
                if not await reader.read(65536):
                    break
        except (OSError, RuntimeError):
            pass  # the portal does not listen, or a pump still reads what this would read
        finally:
            for pump in pumps:
                pump.cancel()
            self._open.discard(writer)
            for one in (writer, back):
                if one is not None:
                    one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, life: int) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if life == self._life:
                    writer.write(data)
                    await writer.drain()
            if life != self._life:
                await asyncio.Event().wait()  # the end does not come through either
